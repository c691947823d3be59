"""A platform in a process of its own: it writes down every post it gets, and answers after a while.

    python crash_platform.py RECORD LATENCY [--drops-repeats]

It prints its port. RECORD gets a line for each event, unbuffered: `post KEY ID`, `repeat KEY ID`,
`answer KEY`. It never removes a duplicate unless it is told that it drops repeats. GET /find?key=K says what
it has.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys


class Platform:
    def __init__(self, record: str, latency: float, drops_repeats: bool) -> None:
        self.record = os.open(record, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self.latency = latency
        self.drops_repeats = drops_repeats
        self.posts: dict[str, list[str]] = {}
        self.count = 0

    def note(self, *words: str) -> None:
        os.write(self.record, (" ".join(words) + "\n").encode())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self.answer(head.decode(), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        await reader.readexactly(int(headers.get("content-length", "0")))
        if first.startswith("GET /find"):
            key = first.split("key=")[1].split()[0]
            found = self.posts.get(key)
            body = {"found": bool(found), **({"id": found[0]} if found else {})}
        else:
            key = headers["idempotency-key"]
            body = self.publish(key)
            await asyncio.sleep(self.latency)
            self.note("answer", key)
        said = json.dumps(body).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))
        await writer.drain()

    def publish(self, key: str) -> dict[str, object]:
        known = self.posts.get(key)
        if known and self.drops_repeats:
            self.note("repeat", key, known[0])
            return {"id": known[0], "repeated": True}
        self.count += 1
        post = f"p{self.count}"
        self.posts.setdefault(key, []).append(post)
        self.note("post", key, post)
        return {"id": post}


async def main(record: str, latency: str, *flags: str) -> None:
    platform = Platform(record, float(latency), "--drops-repeats" in flags)
    server = await asyncio.start_server(platform.serve, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
