# SPDX-License-Identifier: GPL-2.0-or-later
"""Secrets in arguments and labels are nowhere: not in the store, the recording, the trail, the log, nor any answer."""
import os
import secrets

from lab import TIDEMARK, check, run, wait

FORMS = ("/opt/mysql -uroot -p%s db", "/opt/tool --password '%s with blanks'", "/opt/tool --token=%s", "/opt/tool PGPASSWORD=%s",
         "/opt/tool -H 'Authorization: Bearer %s'", "/opt/tool https://me:%s@host.example/x",
         "/opt/tool -- '-----BEGIN RSA PRIVATE KEY-----\n%s\n-----END RSA PRIVATE KEY-----'", "/bin/sh -c 'API_KEY=%s sleep 1; true'")


def everywhere(d, *more):
    """All that the agent has written, and all that it says."""
    out = {"log": d.text().encode()}
    for top, _, names in os.walk(d.state):
        for name in names:
            with open(os.path.join(top, name), "rb") as part:
                out[os.path.join(top, name)] = part.read()
    for path in more:
        with open(path, "rb") as part:
            out[path] = part.read()
    said = [("status",), ("findings", "--all"), ("baseline", "list"), ("baseline", "show", "keeper")] + [("show", f["id"]) for f in d.findings(every=True)]
    for argv in said:
        for form in (argv, ("--json",) + argv):
            r = d.tidemark(*form)
            check(r.returncode == 0, "tidemark " + " ".join(form), r.stderr)
            out[" ".join(form)] = (r.stdout + r.stderr).encode(errors="surrogateescape")
    return out


def act(c, w, word):
    c.sh("printf '#!/bin/sh\\nsleep 1\\n' > /opt/tool; cp /opt/tool /opt/mysql; chmod 755 /opt/tool /opt/mysql")
    for form in FORMS:
        c.sh("(" + (form % word).replace("\n", "'$'\\n''") + ") > /dev/null 2>&1 & true")
    wait("all programs to be told with their arguments", lambda: len([e for e in w.events("exec", c.id) if "/opt/" in " ".join(e["args"])]) >= 7)
    wait("the script of a shell", lambda: any("API_KEY=" in a for e in w.events("exec", c.id) for a in e["args"]))


def test_secrets_are_nowhere(lab):
    word, label, own = ("s3c" + secrets.token_hex(8) for _ in range(3))
    recording = os.path.join(lab.dir, "secrets.tide")
    d = lab.daemon(record=recording, config='secrets: { more = ["--pin[=[:space:]]"]; };')
    c = lab.container("keeper", "--label", "db.password=" + label)
    d.covered("keeper")
    d.activate("keeper")
    w = d.watch()
    act(c, w, word)
    c.sh("(/opt/tool --pin %s) & true" % own)
    wait("the pattern of one's own", lambda: any("--pin" in e["args"] for e in w.events("exec", c.id)))
    wait("findings", lambda: any("[masked]" in str(f) for f in map(lambda f: d.json("show", f["id"]), d.findings("keeper"))))
    check(d.container("keeper")["labels"]["db.password"] == "[masked]", "the label's name stays", d.container("keeper")["labels"])
    check(d.json("status")["secrets"]["masked"] >= len(FORMS) + 2, "masked ones are counted", d.json("status")["secrets"])
    seen = [" ".join(e["args"]) for e in w.events("exec", c.id)]
    for name in ("-p[masked]", "--password [masked]", "--token=[masked]", "PGPASSWORD=[masked]", "Bearer [masked]", "https://me:[masked]@host.example/x",
                 "PRIVATE KEY-----[masked]-----END", "API_KEY=[masked] sleep 1; true", "--pin [masked]"):
        check(any(name in text for text in seen), "the name stays: " + name, seen)
    said = everywhere(d)
    said["watch"] = "\n".join(map(str, w.lines)).encode(errors="replace")
    w.stop()
    d.stop()
    with open(recording, "rb") as part:
        said["recording"] = part.read()
    r = run([TIDEMARK, "replay", recording, "--json"])
    check(r.returncode == 0, "replay", r.stderr)
    said["replay"] = (r.stdout + r.stderr).encode()
    said["state afterwards"] = b"".join(open(os.path.join(top, n), "rb").read() for top, _, names in os.walk(d.state) for n in names)
    for secret in (word, label, own):
        check(not [k for k, v in said.items() if secret.encode() in v], "a secret is somewhere", [k for k, v in said.items() if secret.encode() in v])
    check(b"[masked]" in said["recording"] and b"[masked]" in said["state afterwards"], "what was masked was recorded and stored")
    check(oct(os.stat(recording).st_mode & 0o777) == "0o600", "a recording is its owner's", oct(os.stat(recording).st_mode))


def test_secrets_mask_off(lab):
    """Switched off, the same search finds the secret: so the search can find one."""
    word = "s3c" + secrets.token_hex(8)
    d = lab.daemon(config="secrets: { mask = false; };")
    c = lab.container("keeper")
    d.covered("keeper")
    d.activate("keeper")
    w = d.watch()
    act(c, w, word)
    wait("a finding that says it", lambda: any(word in str(d.json("show", f["id"])) for f in d.findings("keeper")))
    check(any(word.encode() in v for k, v in everywhere(d).items() if "tidemark.db" in k), "it is in the store")
    check("secrets.mask is false" in d.text() and d.json("status")["secrets"]["masking"] is False, "and the agent says so")
    w.stop()
