# SPDX-License-Identifier: GPL-2.0-or-later
"""What records of an image say of findings: a real container runs what its SBOM lacks, lists, or lists otherwise; factors, the
comparison of each path, and the playbook's conclusion in words; the same after a restart and in a replay."""
import json
import os

from lab import check, wait
from supplychain import Key, signed, slsa1, spdx, statement, write
from test_image import DPKG, factors, files_of, finding_of, image_of, make_image, program, put, shell, tree

SPDX = "https://spdx.dev/Document"


def image(lab):
    root = tree(lab)
    put(root, "var/lib/dpkg/status", DPKG)
    put(root, "var/lib/dpkg/info/tools.list", "/usr/bin/busybox\n")
    put(root, "usr/bin/own", program(1), 0o755)
    put(root, "usr/bin/second", program(2), 0o755)
    make_image(lab, "localhost/compare:1", root)


def shown(d, f):
    return d.json("show", f["id"])


def path(f, name):
    return next(p for p in f["sbom"]["paths"] if p["path"] == name)


def with_factor(d, f, name, bits):
    """The finding, once it has that factor with so many bits; its sum is right."""
    f = wait("%s to weigh %s" % (name, bits), lambda: next((g for g in [shown(d, f)] if factors(g).get(name, {}).get("bits") == bits), None))
    check(f["sum_bits"] == f["prior_bits"] + sum(x["bits"] for x in f["factors"]), "the sum", f)
    return f


def concludes(f, lean, *words):
    check(f["conclusion"]["lean"] == lean and all(w in f["conclusion"]["words"] for w in words), lean, f["conclusion"], f["sbom"])


def test_compare(lab):
    image(lab)
    ours = Key(lab.dir, "release")
    config, record = 'records: { keys: ["%s.pem"]; };' % os.path.join(lab.dir, "release"), os.path.join(lab.dir, "compare.record")
    d = lab.daemon(config=config, record=record)
    c = shell(lab, "cmp", "localhost/compare:1")
    digest = image_of(d, "cmp")["digest"]
    at = lambda name: os.path.join(lab.dir, name)
    imported = lambda name, document: d.json("record", "import", write(at(name), document))

    c.sh("cp /usr/bin/busybox /tmp/drop; /tmp/drop true")
    f = shown(d, finding_of(d, "cmp", "/tmp/drop"))
    bare = f["sum_bits"]
    check(not [n for n in factors(f) if n.startswith("sbom_")] and f["sbom"]["state"] == "none" and f["provenance"]["state"] == "none", "nothing is known", f)
    concludes(f, "treat as both", "nothing is known of who built the image")
    check(any("tidemark record import" in m for m in f["conclusion"]["missing"]), "and how it would be", f["conclusion"])

    # An SBOM of all that the image holds, as this host has read it, and of a file that the container makes later.
    held = [(p, x["sha256"]) for p, x in files_of(d, "cmp")[0].items()]
    own = dict(held)["/usr/bin/own"]
    bom = lambda files: spdx(digest, files, (("tools", "1.2-3", "deb/debian"),))
    imported("bom.json", bom(held + [("/opt/late", own)]))
    f = with_factor(d, f, "sbom_lacks_file", 0.75)  # nobody has signed it: half
    check(f["sum_bits"] == bare + 0.75 and "/tmp/drop" in factors(f)["sbom_lacks_file"]["text"], "weighed when it came", f["factors"])
    check(f["sbom"]["state"] == "files" and f["sbom"]["image"]["differ"] == 0 and f["sbom"]["image"]["listed"] == f["sbom"]["image"]["files"], "the image fits it", f["sbom"])
    check(path(f, "/tmp/drop")["in_sbom"] is False and path(f, "/tmp/drop")["in_image"] is False, "the path", f["sbom"])
    concludes(f, "treat as both")

    status = d.json("status")["records"]
    check(status["documents"] == 1 and status["waiting"] == 0 and status["memory"] > 0 and status["malformed"] == 0, "status", status)
    check("Records of images: 1" in d.tidemark("status").stdout, "status in words")

    # The same with a signature, and who built it.
    imported("bom.dsse.json", signed(ours, statement(digest, SPDX, bom(held + [("/opt/late", own)]))))
    f = with_factor(d, f, "sbom_lacks_file", 1.5)
    check("release.pem" in factors(f)["sbom_lacks_file"]["text"] and f["sbom"]["verified"], "whose word it is", f["factors"])
    imported("built.json", signed(ours, slsa1(digest)))
    f = shown(d, f)
    concludes(f, "runtime compromise more likely", "https://ci.example/builder@v1", "commit 0123456789", "/tmp/drop is neither in the image nor in its SBOM")
    check(f["provenance"]["verified"] and f["provenance"]["built"][:10] == "2026-03-01" and f["sum_bits"] == bare + 1.5, "it weighs nothing", f)
    page = d.tidemark("show", f["id"])
    check("Where the image comes from" in page.stdout and "More likely a compromise at run time" in " ".join(page.stdout.split()), "for people", page.stdout)
    check(all(len(line) <= 100 for line in page.stdout.split("\n")), "within 100 columns", page.stdout)
    why = d.json("explain", f["id"])
    check("sbom_lacks_file" in [x["name"] for x in why["factors"]] and why["conclusion"]["lean"] == f["conclusion"]["lean"], "explain", why)

    # What the SBOM lists, with just that content, takes bits, and is shown all the same.
    late = shell(lab, "cmp-late", "localhost/compare:1")
    late.sh("cp /usr/bin/own /opt/late; /opt/late true")
    g = with_factor(d, finding_of(d, "cmp-late", "/opt/late"), "sbom_lists_file", -2.0)
    check(path(g, "/opt/late")["hash"] == "fits" and path(g, "/opt/late")["hash_of"] == "run" and not g["below_show"], "it is what is listed", g["sbom"])
    concludes(g, "treat as both", "/opt/late is what its SBOM lists")
    late.sh("cp /usr/bin/second /tmp/n; cat /tmp/n > /opt/late; /opt/late true")
    g = with_factor(d, g, "sbom_other_content", 3.0)
    check("sbom_lists_file" not in factors(g) and path(g, "/opt/late")["hash"] == "differs", "another content", g["factors"])

    # An image that is not what its SBOM says: another hash of a file of its own.
    imported("other.dsse.json", signed(ours, statement(digest, SPDX, bom([(p, "00" * 32 if p == "/usr/bin/second" else h) for p, h in held]))))
    d.activate("cmp")
    c.sh("/usr/bin/second true")
    h = with_factor(d, finding_of(d, "cmp", "/usr/bin/second"), "sbom_image_differs", 4.0)
    check(path(h, "/usr/bin/second")["hash"] == "differs" and path(h, "/usr/bin/second")["hash_of"] == "image" and h["sbom"]["image"]["differ"] == 1, "which", h["sbom"])
    concludes(h, "treat as both", "the image itself is not what its SBOM says")

    weighed = lambda found: {x["id"]: x["factors"] for x in found if x["workload"]["name"] in ("cmp", "cmp-late")}
    live = weighed(d.findings(every=True))
    d.stop()
    played = d.tidemark("--json", "replay", record)
    check(played.returncode == 0, "replay", played.stderr)
    check(weighed(json.loads(played.stdout)) == live, "a replay weighs the same", live, played.stdout[:3000])
    again = lab.daemon(config=config, state=d.state)
    h = shown(again, h)
    check(h["sbom"]["state"] == "files" and h["sbom"]["image"]["differ"] == 1 and "sbom_image_differs" in factors(h), "after a restart", h["sbom"], h["factors"])
