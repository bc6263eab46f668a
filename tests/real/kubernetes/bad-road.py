#!/usr/bin/env python3
"""The way to an API server, and what can happen on it.

usage: bad-road.py raw|http PORT TARGET PKI CONTROL LOG

Listens on 127.0.0.1:PORT and passes on to 127.0.0.1:TARGET what comes, as the file CONTROL says, a line each (it is
read again for every request, and twenty times a second):
  delay MS                     every piece (raw) or request (http) waits so long
  stall                        raw: nothing passes, on connections that are there and on new ones
  break N                      raw: all connections are reset, once for each new N
  half N                       raw: on all of them nothing more comes from the server, once for each new N; the other way is open
  answer STATUS AFTER REGEX    http: requests whose "METHOD PATH" matches are answered so, with Retry-After AFTER
  cut REGEX                    http: their answers end in the middle
  garble REGEX                 http: what of their answers is protobuf is broken
  hold REGEX                   http: they wait as long as this line is there; "METHOD PATH held" goes to LOG
  bearer PREFIX TOKEN          http: a bearer token that begins so is taken for this one, and any other is refused
raw leaves the bytes alone (TLS and HTTP/2 go through); http ends TLS with the certificate of PKI, one request a
connection, and writes "METHOD PATH STATUS" of each to LOG.
"""
import asyncio
import os
import re
import socket
import ssl
import struct
import sys

MODE, PORT, TARGET, PKI, CONTROL, LOG = sys.argv[1:]
rules = {}
stamp = None
open_now = set()
from_clients = set()
log = open(LOG, "a", buffering=1, encoding="utf-8")


def read_rules():
    """What CONTROL says now."""
    global rules, stamp
    try:
        found = os.stat(CONTROL)
        if stamp == (found.st_mtime_ns, found.st_ino):
            return rules
        stamp = (found.st_mtime_ns, found.st_ino)
        with open(CONTROL, encoding="utf-8") as file:
            lines = [line.split(None, 1) for line in file.read().splitlines() if line.strip()]
    except FileNotFoundError:
        lines, stamp = [], None
    read = {}
    for line in lines:
        read.setdefault(line[0], []).append(line[1] if len(line) > 1 else "")
    before, rules = rules, read
    if read.get("break") and read.get("break") != before.get("break"):
        for writer in list(open_now):
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
    if read.get("half") and read.get("half") != before.get("half"):
        for writer in list(from_clients):
            if writer.can_write_eof():
                writer.write_eof()
    return rules


async def watch_rules():
    while True:
        read_rules()
        await asyncio.sleep(0.05)


async def pour(reader, writer):
    """All that comes, as it comes."""
    while True:
        piece = await reader.read(65536)
        if MODE == "raw":
            while "stall" in rules:
                await asyncio.sleep(0.05)
            if "delay" in rules:
                await asyncio.sleep(int(rules["delay"][0]) / 1000)
        if not piece:
            break
        if writer.transport.is_closing() or getattr(writer.transport, "_eof", False):
            continue  # half-closed: what the server still says goes nowhere
        writer.write(piece)
        await writer.drain()


async def both_ways(reader, writer, far_reader, far_writer):
    ways = [asyncio.ensure_future(pour(reader, far_writer)), asyncio.ensure_future(pour(far_reader, writer))]
    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for way in ways:
        way.cancel()
    await asyncio.gather(*ways, return_exceptions=True)


async def raw(reader, writer):
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", int(TARGET))
    open_now.update((writer, far_writer))
    from_clients.add(writer)
    try:
        await both_ways(reader, writer, far_reader, far_writer)
    finally:
        open_now.difference_update((writer, far_writer))
        from_clients.discard(writer)
        far_writer.close()


def answer_for(what):
    for rule in rules.get("answer", []):
        status, after, pattern = rule.split(None, 2)
        if re.search(pattern, what):
            return status, after
    return None


def held(what):
    return any(re.search(pattern, what) for pattern in rules.get("hold", []))


def admitted(header):
    """The header as it goes on; None: its token is nobody's."""
    for prefix, token in (rule.split() for rule in rules.get("bearer", [])):
        if header.lower().startswith("authorization:"):
            return f"Authorization: Bearer {token}" if header.split()[-1].startswith(prefix) else None
    return header


async def cut_off(far_reader, writer):
    """The head and some of the body, then nothing more."""
    head = await far_reader.readuntil(b"\r\n\r\n")
    body = await far_reader.read(200)
    writer.write(head + body[: max(1, len(body) // 2)])
    await writer.drain()


async def garble(far_reader, writer):
    """The whole answer; of one in protobuf, what stands behind its first items."""
    answer = await far_reader.read(-1)
    at = answer.find(b"k8s\0")
    garbled = 0 <= at < 2000 and b"vnd.kubernetes.protobuf" in answer[:at]
    if garbled:
        answer = answer[: at + 300] + b"\xff" * len(answer[at + 300 : at + 400]) + answer[at + 400 :]
    writer.write(answer)
    await writer.drain()
    return garbled


async def http(reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    method, path, _ = lines[0].split(" ", 2)
    length = next((int(h.split(":")[1]) for h in lines if h.lower().startswith("content-length:")), 0)
    body = await reader.readexactly(length) if length else b""
    read_rules()
    what = f"{method} {path}"
    if "delay" in rules:
        await asyncio.sleep(int(rules["delay"][0]) / 1000)
    if held(what):
        log.write(f"{what} held\n")
        while held(what):
            await asyncio.sleep(0.05)
    refusal = answer_for(what)
    if refusal:
        log.write(f"{what} {refusal[0]}\n")
        text = b"<html><h1>not now</h1></html>"
        after = f"Retry-After: {refusal[1]}\r\n" if refusal[1] != "-" else ""
        writer.write(f"HTTP/1.1 {refusal[0]} Not now\r\n{after}Content-Type: text/html\r\nConnection: close\r\n"
                     f"Content-Length: {len(text)}\r\n\r\n".encode() + text)
        await writer.drain()
        return
    trust = ssl.create_default_context(cafile=PKI + "/ca.crt")
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", int(TARGET), ssl=trust)
    try:
        kept = [admitted(h) for h in lines[1:] if h and not h.lower().startswith("connection:")]
        kept = [h for h in kept if h]
        far_writer.write("\r\n".join([lines[0], *kept, "Connection: close", "", ""]).encode("latin-1") + body)
        if any(re.search(pattern, what) for pattern in rules.get("cut", [])):
            log.write(f"{what} cut\n")
            await cut_off(far_reader, writer)
            return
        if any(re.search(pattern, what) for pattern in rules.get("garble", [])):
            log.write(f"{what} {'garbled' if await garble(far_reader, writer) else 'plain'}\n")
            return
        status = await far_reader.readuntil(b"\r\n")
        log.write(f"{what} {status.split()[1].decode()}\n")
        writer.write(status)
        await both_ways(reader, writer, far_reader, far_writer)
    finally:
        far_writer.close()


async def serve(reader, writer):
    try:
        await (raw if MODE == "raw" else http)(reader, writer)
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        pass
    finally:
        writer.close()


async def main():
    mine = None
    if MODE == "http":
        mine = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        mine.load_cert_chain(PKI + "/server.crt", PKI + "/server.key")
        mine.set_alpn_protocols(["http/1.1"])
    async with await asyncio.start_server(serve, "127.0.0.1", int(PORT), ssl=mine):
        print("ready", flush=True)
        await watch_rules()


asyncio.run(main())
