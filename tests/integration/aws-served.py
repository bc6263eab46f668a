"""The aws command, loaded once: to start it costs most of a second, to fork it next to nothing.

aws-served.py SOCKET                      serves until its parent is gone; not where aws has threads of its own
aws-served.py SOCKET REAL ARGUMENTS...    one call there; where nobody serves, the command REAL does it
"""
import os
import socket
import sys


def call(path, real, words):
    at = socket.socket(socket.AF_UNIX)
    try:
        at.connect(path)
    except OSError:
        os.execv(real, [real] + words)
    variables = ["%s=%s" % pair for pair in os.environ.items()]
    message = "\0".join([os.getcwd(), str(len(words))] + words + variables)
    socket.send_fds(at, [("%08d" % len(message.encode())).encode()], [0, 1, 2])
    at.sendall(message.encode())
    answer = at.recv(8)
    return int(answer) if answer else 255


def answer(driver, at):
    head, fds, _, _ = socket.recv_fds(at, 8, 3)
    message = b""
    while len(message) < int(head):
        message += at.recv(65536)
    folder, count, *rest = message.decode().split("\0")
    for own, theirs in enumerate(fds):
        os.dup2(theirs, own)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variable.split("=", 1) for variable in rest[int(count):])
    driver.session._config = None  # of the files that this environment names
    code = driver.main(rest[: int(count)])
    sys.stdout.flush()
    sys.stderr.flush()
    at.sendall(b"%d" % code)


def serve(path):
    import signal
    from awscli.clidriver import create_clidriver

    parent = os.getppid()
    driver = create_clidriver()
    out = os.dup(1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)  # what is loaded for a command is kept for those that follow
    driver.main(["ec2", "describe-vpcs", "--generate-cli-skeleton"])
    sys.stdout.flush()
    os.dup2(out, 1)
    if len(os.listdir("/proc/self/task")) > 1:
        return  # a fork of it might wait for ever for a lock that a thread (of awscrt) had: each call is the real one
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path + ".new")
    listener.listen(16)
    os.rename(path + ".new", path)
    listener.settimeout(1)
    while os.getppid() == parent:
        try:
            at, _ = listener.accept()
        except socket.timeout:
            continue
        at.setblocking(True)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                answer(driver, at)
            finally:
                os._exit(0)
        at.close()


if len(sys.argv) == 2:
    serve(sys.argv[1])
else:
    sys.exit(call(sys.argv[1], sys.argv[2], sys.argv[3:]))
