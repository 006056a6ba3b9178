#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""peer.py - what net.py runs inside its namespace: the others, with whom containers talk. One line a deed.

    peer.py tcp ADDRESS PORT     answers each connection as HTTP and closes it
    peer.py hold ADDRESS PORT    sends back what comes, for as long as the client wants
    peer.py push ADDRESS PORT    speaks on its own, five times a second, for as long as the client wants
    peer.py pour ADDRESS PORT    sends as much as the client takes, and says how much, five times a second
    peer.py flood ADDRESS        pings it a thousand times a second, and says five times a second how often, and how many answered
    peer.py udp ADDRESS PORT     sends back what comes
    peer.py silent ADDRESS PORT  takes what comes by UDP, and says nothing
    peer.py forge NAME ADDRESS HOW...  sees the queries for NAME as they pass, and answers them itself, before or instead
        of the server, with ADDRESS, one answer for each HOW: right, server (as another one), id, question
    peer.py load ADDRESS PORT RATE PATH...  asks for one of the paths RATE times a second, each time by a connection of its
        own ("%d": a number of 400; "+PATH": posts 64 KiB; "~PATH": reads slowly), and says every few seconds how many
        were answered, and how many were not
"""
import random
import socket
import struct
import sys
import threading
import time
import time

TEXT = b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"
ETH_P_ALL = 3


def say(*words):
    print(*words, flush=True)


def bound(kind, address, port):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, int(port)))
    return s


def answer_http(c, source):
    c.settimeout(20)
    try:
        data = c.recv(65536)
        if data:
            c.sendall(TEXT)
        say("took", source[0], source[1], len(data))
    except OSError as e:
        say("failed", source[0], source[1], e)
    c.close()


def send_back(c, source):
    say("took", source[0], source[1], 0)
    try:
        while True:
            data = c.recv(65536)
            if not data:
                break
            c.sendall(data)
    except OSError as e:
        say("failed", source[0], source[1], e)
    c.close()


def push(c, source):
    say("took", source[0], source[1], 0)
    try:
        while True:
            c.sendall(b"x")
            time.sleep(0.2)
    except OSError as e:
        say("failed", source[0], source[1], e)
    c.close()


def pour(c, source):
    say("took", source[0], source[1], 0)
    block, sent, told = bytes(65536), 0, time.monotonic()
    c.settimeout(0.2)
    while True:
        try:
            sent += c.send(block)
        except socket.timeout:
            pass
        except OSError as e:
            say("failed", source[0], source[1], e)
            break
        if time.monotonic() - told > 0.2:
            say("poured", source[0], sent)
            told = time.monotonic()
    c.close()


def flood(address):
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    s.setblocking(False)
    echo, sent, answered, told = struct.pack("!BBHHH", 8, 0, 0xffff - 0x800 - 7, 7, 0), 0, 0, 0
    say("ready")
    while True:
        try:
            s.sendto(echo, (address, 0))
            sent += 1
        except OSError:
            pass
        time.sleep(0.001)
        try:
            while True:
                packet = s.recvfrom(2048)
                answered += packet[1][0] == address and packet[0][20] == 0
        except OSError:
            pass
        if time.monotonic() - told > 0.2:
            say("flooded", sent, answered)
            told = time.monotonic()


def accept(address, port, handle):
    s = bound(socket.SOCK_STREAM, address, port)
    s.listen(1024)
    say("ready")
    while True:
        c, source = s.accept()
        threading.Thread(target=handle, args=(c, source), daemon=True).start()


def datagrams(address, port, answers):
    s = bound(socket.SOCK_DGRAM, address, port)
    say("ready")
    while True:
        data, source = s.recvfrom(65536)
        if answers:
            s.sendto(data, source)
        say("took", source[0], source[1], len(data))


def wire(name):
    return b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0"


def query_in(frame):
    """Of an Ethernet frame with an IPv4 UDP query: source, destination, source port, id, question; else None."""
    if len(frame) < 14 + 28 + 12 or frame[12:14] != b"\x08\x00" or frame[23] != 17:
        return None
    ip = frame[14:]
    udp = ip[(ip[0] & 15) * 4:]
    sport, dport = struct.unpack(">HH", udp[:4])
    message = udp[8:]
    if dport != 53 or len(message) < 12 or message[2] & 0x80:
        return None
    end = 12
    while end < len(message) and message[end]:
        end += message[end] + 1
    return ip[12:16], ip[16:20], sport, struct.unpack(">H", message[:2])[0], message[12:end + 5]


def forged(how, address, client, server, port, ident, question):
    if how == "server":
        server = server[:3] + b"\x42"
    if how == "id":
        ident ^= 0x5555
    if how == "question":
        question = wire("another.test") + question[-4:]
    body = struct.pack(">6H", ident, 0x8180, 1, 1, 0, 0) + question + b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", 60, 4) + socket.inet_aton(address)
    udp = struct.pack(">4H", 53, port, 8 + len(body), 0) + body
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0x4000, 64, 17, 0) + server + client + udp


def forge(name, address, *hows):
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    listener.bind(("br0", ETH_P_ALL))
    out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    say("ready")
    while True:
        frame, source = listener.recvfrom(65536)
        query = query_in(frame)
        if source[2] == socket.PACKET_OUTGOING or not query or not query[4].lower().startswith(wire(name)) or query[4][-4:-2] != b"\0\1":
            continue
        client, server, port, ident, question = query
        for how in hows:
            out.sendto(forged(how, address, client, server, port, ident, question), (socket.inet_ntoa(client), 0))
            say("forged", how, socket.inet_ntoa(client), port, ident)


def ask(address, port, path):
    """One request; what its answer began with."""
    slow, post = path.startswith("~"), path.startswith("+")
    path = path.lstrip("~+").replace("%d", str(random.randint(1, 400)))
    body = b"x" * 65536 if post else b""
    head = "%s %s HTTP/1.1\r\nHost: load\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % ("POST" if post else "GET", path, len(body))
    with socket.create_connection((address, int(port)), 20) as s:
        s.sendall(head.encode() + body)
        began = data = s.recv(4096)
        while data:
            if slow:
                time.sleep(0.05)
            data = s.recv(16384)
    return began


def load(address, port, rate, *paths):
    counts = {"answered": 0, "failed": 0}

    def one():
        try:
            good = ask(address, port, random.choice(paths)).split(b" ")[1:2] == [b"200"]
        except OSError:
            good = False
        counts["answered" if good else "failed"] += 1
    say("ready")
    due = said = time.monotonic()
    while True:
        due += random.expovariate(float(rate))
        time.sleep(max(0, due - time.monotonic()))
        if threading.active_count() < 64:
            threading.Thread(target=one, daemon=True).start()
        if time.monotonic() > said + 5:
            said = time.monotonic()
            say("load", counts["answered"], counts["failed"])


DEEDS = {"tcp": lambda a, p: accept(a, p, answer_http), "hold": lambda a, p: accept(a, p, send_back),
         "push": lambda a, p: accept(a, p, push), "pour": lambda a, p: accept(a, p, pour),
         "udp": lambda a, p: datagrams(a, p, True), "silent": lambda a, p: datagrams(a, p, False), "forge": forge, "load": load, "flood": flood}

if __name__ == "__main__":
    DEEDS[sys.argv[1]](*sys.argv[2:])
