# SPDX-License-Identifier: GPL-2.0-or-later
"""app.py SITE PACE - a web service of Python: about every PACE seconds a query, a cache and an outside API, all by name; a
page at port 8080, uploads; files as services write them. Lines of /ctl/do are run as a hole in it would run them: by a
shell that is its child."""
import hashlib
import http.server
import json
import logging.handlers
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid

import psycopg2
import redis

import shop

SITE, PACE = sys.argv[1], float(sys.argv[2])
DATABASE, CACHE, API = "db.%s.test" % SITE, "cache.%s.test" % SITE, "http://api.%s.test/v1/rate" % SITE
done = {}
lock = threading.Lock()


def attempt(what, act):
    error = None
    try:
        act()
    except Exception as e:  # whatever it is, it is counted, and the next time it is tried again
        what, error = what + "_failed", repr(e)
    with lock:
        done[what] = done.get(what, 0) + 1
        if error:
            done["last_error"] = "%s: %s" % (what, error)
    return not error


class Database:
    """A connection that is made anew now and then, as pools do."""

    def __init__(self):
        self.connection, self.left = None, 0

    def work(self):
        if self.left == 0:
            self.close()
            self.connection = psycopg2.connect(host=DATABASE, user="app", dbname="app", connect_timeout=5)
            self.connection.autocommit = True
            self.left = random.randint(3, 20)
        self.left -= 1
        try:
            with self.connection.cursor() as c:
                c.execute("INSERT INTO orders (customer, amount, note) VALUES (%s, %s, %s)", (random.randint(1, 500), random.random() * 100, shop.note()))
                c.execute("UPDATE orders SET amount = amount + 1 WHERE customer = %s", (random.randint(1, 500),))
                c.execute("DELETE FROM orders WHERE created < now() - interval '20 minutes'")
                c.execute("SELECT customer, sum(amount) FROM orders GROUP BY customer ORDER BY 2 DESC LIMIT 10")
                return c.fetchall()
        except psycopg2.Error:
            self.left = 0
            raise

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None


def cache():
    r = redis.Redis(host=CACHE, socket_timeout=5)
    key = "session:%d" % random.randint(1, 2000)
    r.set(key, os.urandom(64), ex=300)
    r.get(key)
    r.incr("hits")
    r.close()


def outside():
    with urllib.request.urlopen(API + "?pair=%d" % random.randint(1, 100), timeout=5) as answer:
        answer.read()


def keep(rows):
    """A cached answer, written beside and renamed."""
    name = hashlib.sha1(str(random.randint(1, 3000)).encode()).hexdigest()
    folder = "/var/cache/app/" + name[:2]
    os.makedirs(folder, exist_ok=True)
    fd, path = tempfile.mkstemp(dir=folder)
    with os.fdopen(fd, "w") as out:
        out.write(repr(rows))
    os.rename(path, os.path.join(folder, name + ".json"))


def upload(data):
    folder = time.strftime("/var/lib/app/uploads/%Y/%m/%d")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "%s.bin" % uuid.uuid4()), "wb") as out:
        out.write(data)
    for name in sorted(os.listdir(folder))[:-50]:
        os.unlink(os.path.join(folder, name))


class Page(http.server.BaseHTTPRequestHandler):
    def answer(self, text):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.answer(b"x" * 300000 if self.path.endswith("/big") else b"%d\n" % done.get("query", 0))

    def do_POST(self):
        upload(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        self.answer(b"taken\n")

    def log_message(self, *args):
        pass


def commands():
    """As lab.Shell's entrypoint: a line, done by a child, its status said."""
    while True:
        with open("/ctl/in") as pipe:
            for line in pipe:
                if line.startswith("#py "):  # what is done in the service's own process
                    try:
                        exec(line[4:], {})
                        status = 0
                    except Exception as e:
                        print(repr(e), file=sys.stderr)
                        status = 1
                else:
                    status = subprocess.run(["/bin/sh", "-c", line]).returncode
                with open("/ctl/done", "a") as out:
                    out.write("%d\n" % status)


def stop(*_):
    sys.exit(0)


def main():
    signal.signal(signal.SIGTERM, stop)
    for folder in ("/var/cache/app", "/var/lib/app/uploads", "/var/log/app"):
        os.makedirs(folder, exist_ok=True)
    with open("/run/app.pid", "w") as out:
        out.write("%d\n" % os.getpid())
    log = logging.getLogger("app")
    log.addHandler(logging.handlers.RotatingFileHandler("/var/log/app/app.log", maxBytes=3000, backupCount=3))
    server = http.server.ThreadingHTTPServer(("", 8080), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=commands, daemon=True).start()
    db = Database()
    while True:
        rows = []
        if attempt("query", lambda: rows.extend(db.work())) and random.random() < 0.3:
            attempt("kept", lambda: keep(rows))
        if random.random() < 0.7:
            attempt("cache", cache)
        if random.random() < 0.6:
            attempt("api", outside)
        log.warning("%s %s", time.strftime("%F %T"), json.dumps(done))
        with open("/ctl/app.json.new", "w") as out:
            json.dump(done, out)
        os.rename("/ctl/app.json.new", "/ctl/app.json")
        time.sleep(PACE * random.uniform(0.3, 1.7))


main()
