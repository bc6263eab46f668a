#!/usr/bin/env python3
"""turns.py ADDRESS PORT TO-PORT FILE: passes connections on from ADDRESS:PORT to ADDRESS:TO-PORT and counts how often
the client waited: a turn is something from the client after something from the server. FILE holds
"open N connections N turns N", always whole; the program ends with its standard input."""
import os
import socket
import sys
import threading

address, port, to, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
lock = threading.Lock()
total = {"open": 0, "connections": 0, "turns": 0}


def tell(**by):
    with lock:
        for key, n in by.items():
            total[key] += n
        with open(path + ".new", "w") as out:
            out.write(" ".join("%s %d" % pair for pair in total.items()) + "\n")
        os.rename(path + ".new", path)


def carry(source, sink, turn):
    while True:
        try:
            data = source.recv(65536)
            if not data:
                break
            turn()
            sink.sendall(data)
        except OSError:
            break
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(client):
    server = socket.create_connection((address, to))
    state = {"asked": False}

    def asks():
        if not state["asked"]:
            state["asked"] = True
            tell(turns=1)

    def answers():
        state["asked"] = False

    for s in (client, server):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    back = threading.Thread(target=carry, args=(server, client, answers))
    back.start()
    carry(client, server, asks)
    back.join()
    tell(open=-1)


listener = socket.create_server((address, port))
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
tell()
while True:
    accepted = listener.accept()[0]
    tell(open=1, connections=1)
    threading.Thread(target=serve, args=(accepted,), daemon=True).start()
