# SPDX-License-Identifier: GPL-2.0-or-later
"""supplychain - documents of the supply chain as their makers write them, signed by openssl's command line."""
import base64
import glob
import hashlib
import json
import os
import subprocess
import threading

TYPE = "application/vnd.in-toto+json"
SLSA1 = "https://slsa.dev/provenance/v1"
SLSA02 = "https://slsa.dev/provenance/v0.2"


class Key:
    def __init__(self, directory, name, kind="prime256v1"):
        self.path, self.public = os.path.join(directory, name + ".key"), os.path.join(directory, name + ".pem")
        made = ["rsa", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if kind == "rsa" else ["ec", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + kind]
        subprocess.run(["openssl", "genpkey", *made[1:], "-out", self.path], check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", self.path, "-pubout", "-out", self.public], check=True, capture_output=True)
        os.chmod(self.public, 0o644)
        der = subprocess.run(["openssl", "pkey", "-pubin", "-in", self.public, "-outform", "DER"], check=True, capture_output=True).stdout
        self.id = hashlib.sha256(der).hexdigest()

    def sign(self, data, *how):
        path = self.path + ".data"
        with open(path, "wb") as f:
            f.write(data)
        return subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.path, *how, path], check=True, capture_output=True).stdout


def pae(payload, kind=TYPE):
    return b"DSSEv1 %d %s %d " % (len(kind), kind.encode(), len(payload)) + payload


def standard(data):
    return base64.b64encode(data).decode()


def url_safe(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def envelope(payload, *signatures, kind=TYPE, encode=standard):
    """signatures: (bytes, keyid)."""
    return {"payloadType": kind, "payload": encode(payload), "signatures": [{"keyid": i, "sig": encode(s)} for s, i in signatures]}


def signed(key, payload, kind=TYPE, keyid="", encode=standard):
    return envelope(payload, (key.sign(pae(payload, kind)), keyid), kind=kind, encode=encode)


def bundle(e, key):
    return {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial": {"publicKey": {"hint": standard(bytes.fromhex(key.id))}, "tlogEntries": []}, "dsseEnvelope": e}


def statement(digest, kind, predicate, name="registry.example/app"):
    return json.dumps({"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": name, "digest": {"sha256": digest.split(":")[1]}}], "predicateType": kind, "predicate": predicate}).encode()


def slsa1(digest, builder="https://ci.example/builder@v1"):
    return statement(digest, SLSA1, {
        "buildDefinition": {"buildType": "https://ci.example/workflow/v1", "externalParameters": {"workflow": {"repository": "https://git.example/team/app", "ref": "refs/heads/main"}},
                            "resolvedDependencies": [{"uri": "pkg:docker/base@1"}, {"uri": "git+https://git.example/team/app@refs/heads/main", "digest": {"gitCommit": "0123456789abcdef0123456789abcdef01234567"}}]},
        "runDetails": {"builder": {"id": builder}, "metadata": {"invocationId": "17", "startedOn": "2026-03-01T10:00:00Z", "finishedOn": "2026-03-01T10:05:30.5+00:00"}}})


def slsa02(digest):
    return statement(digest, SLSA02, {
        "builder": {"id": "https://ci.example/old"}, "buildType": "https://ci.example/make",
        "invocation": {"configSource": {"uri": "git+https://git.example/team/old", "digest": {"sha1": "89abcdef0123456789abcdef0123456789abcdef"}, "entryPoint": "build"}},
        "metadata": {"buildStartedOn": "2025-03-01T10:00:00Z", "buildFinishedOn": "2025-03-01T10:01:00Z"}, "materials": [{"uri": "git+https://git.example/other", "digest": {"sha1": "00"}}]})


def cyclonedx(digest=None, files=(), packages=(("busybox", "1.36", "apk"),), version="1.5"):
    component = {"type": "container", "name": "app"}
    if digest:
        component["version"] = digest
    return {"bomFormat": "CycloneDX", "specVersion": version, "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
            "metadata": {"timestamp": "2026-03-01T11:00:00Z", "tools": {"components": [{"type": "application", "name": "syft", "version": "1.20.0"}]}, "component": component},
            "components": [{"type": "library", "name": n, "version": v, "purl": "pkg:%s/%s@%s" % (t, n, v)} for n, v, t in packages]
            + [{"type": "file", "name": p, "hashes": [{"alg": "SHA-1", "content": "00"}, {"alg": "SHA-256", "content": h}]} for p, h in files]}


def spdx(digest=None, files=(), packages=(("busybox", "1.36", "apk"),), owned=True):
    image = [{"SPDXID": "SPDXRef-Image", "name": "app", "versionInfo": digest, "primaryPackagePurpose": "CONTAINER"}] if digest else []
    ps = [{"SPDXID": "SPDXRef-P%d" % i, "name": n, "versionInfo": v, "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:%s/%s@%s" % (t, n, v)}]} for i, (n, v, t) in enumerate(packages)]
    fs = [{"SPDXID": "SPDXRef-F%d" % i, "fileName": "./" + p.lstrip("/"), "checksums": [{"algorithm": "SHA1", "checksumValue": "00"}, {"algorithm": "SHA256", "checksumValue": h}]} for i, (p, h) in enumerate(files)]
    rs = [{"spdxElementId": "SPDXRef-P0", "relatedSpdxElement": f["SPDXID"], "relationshipType": "CONTAINS"} for f in fs] if owned else []
    return {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "app", "creationInfo": {"created": "2026-03-01T11:00:00Z", "creators": ["Organization: X", "Tool: syft-1.20.0"]},
            "relationships": rs, "packages": image + ps, "files": fs}


def pod_event(image, code=201, user="system:serviceaccount:argocd:deployer", name="web-1", stage="ResponseComplete", verb="create", **more):
    e = {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse", "stage": stage, "verb": verb, "user": {"username": user},
         "objectRef": {"resource": "pods", "namespace": "prod", "name": name}, "responseStatus": {"code": code}, "requestObject": {"spec": {"containers": [{"name": "c", "image": image}]}},
         "requestReceivedTimestamp": "2026-03-02T09:00:00.123456Z", "stageTimestamp": "2026-03-02T09:00:00.2Z"}
    if code >= 300:
        e["responseStatus"].update(more.get("status", {"message": "admission webhook denied the request"}))
    return e


def line(digest, decision="allowed", by="alice", reason="CHG-17", image="registry.example/app:1"):
    return {"time": "2026-03-02T08:00:00Z", "image": image, "digest": digest, "decision": decision, "by": by, "reason": reason}


def write(path, *documents):
    """Several: a line each."""
    with open(path, "w", encoding="utf-8") as f:
        f.write("".join((d if isinstance(d, str) else json.dumps(d)) + "\n" for d in documents))
    return path


# ---- large ones ----

def large(path, form, size, digest):
    """An SBOM of at least so many bytes: a package for each hundred files, each file with what syft says of it; made piece
    by piece."""
    with open(path, "w", encoding="utf-8") as f:
        if form == "cyclonedx":
            f.write('{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"component":{"type":"container","name":"large","version":"%s"}},"components":[' % digest)
        else:
            f.write('{"spdxVersion":"SPDX-2.3","creationInfo":{"created":"2026-01-01T00:00:00Z","creators":["Tool: t"]},"relationships":[],"packages":[{"SPDXID":"I","name":"i","versionInfo":"%s","primaryPackagePurpose":"CONTAINER"}' % digest)
            for n in range(size // 50000):
                f.write(',{"SPDXID":"P%d","name":"package-%d","versionInfo":"1.%d","licenseConcluded":"NOASSERTION"}' % (n, n, n))
            f.write('],"files":[')
        n = 0
        while f.tell() < size:
            h = hashlib.sha256(b"%d" % n).hexdigest()
            name = "/usr/lib/large/directory-%d/some-file-with-a-name-%d.so" % (n // 100, n)
            if form == "cyclonedx":
                if n % 100 == 0:
                    f.write('%s{"type":"library","name":"package-%d","version":"1.%d","purl":"pkg:deb/debian/package-%d@1"}' % ("," if n else "", n, n, n))
                f.write(',{"bom-ref":"%032x","type":"file","name":"%s","hashes":[{"alg":"SHA-1","content":"%s"},{"alg":"SHA-256","content":"%s"}],"properties":[{"name":"syft:location:0:layerID","value":"sha256:%s"}]}' % (n, name, h[:40], h, h))
            else:
                f.write('%s{"SPDXID":"F%d","fileName":"%s","fileTypes":["APPLICATION"],"checksums":[{"algorithm":"SHA1","checksumValue":"%s"},{"algorithm":"SHA256","checksumValue":"%s"}],"licenseConcluded":"NOASSERTION","copyrightText":"NOASSERTION","comment":"layerID: sha256:%s"}' % ("," if n else "", n, name, h[:40], h, h))
            n += 1
        f.write("]}")
    return n


def sign_large(key, path, out, digest):
    """The same in an envelope, as a predicate; without holding more of it than openssl does."""
    predicate = "https://cyclonedx.org/bom"
    body = out + ".payload"
    with open(body, "w", encoding="utf-8") as f, open(path, encoding="utf-8") as src:
        f.write('{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"large","digest":{"sha256":"%s"}}],"predicateType":"%s","predicate":' % (digest.split(":")[1], predicate))
        while True:
            part = src.read(1 << 20)
            if not part:
                break
            f.write(part)
        f.write("}")
    data = open(body, "rb").read()
    with open(out, "w", encoding="utf-8") as f:
        json.dump(signed(key, data), f)
    os.unlink(body)


class Peak:
    """The most memory (VmHWM, kB) that a process of this name below a daemon's engine has had, as often as it is looked at."""

    def __init__(self, parent, name="tidemark-image"):
        self.parent, self.name, self.kib, self.over = parent, name, 0, threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.over.is_set():
            for path in glob.glob("/proc/[0-9]*/status"):
                try:
                    text = open(path, encoding="utf-8", errors="replace").read()
                except OSError:
                    continue
                if "\nPPid:\t%d\n" % self.parent in text and text.startswith("Name:\t" + self.name + "\n") and "VmHWM" in text:
                    self.kib = max(self.kib, int(text.split("VmHWM:")[1].split()[0]))
            self.over.wait(0.01)

    def stop(self):
        self.over.set()
        self.thread.join()
        return self.kib


def memory(pid, what="VmHWM"):
    return int(open("/proc/%d/status" % pid, encoding="utf-8").read().split(what + ":")[1].split()[0])
