"""HTTP over one socket, as bare as it gets: dozens of clients share two cores with the service."""

import asyncio
from dataclasses import dataclass

END = b"\r\n\r\n"


@dataclass(frozen=True)
class Reply:
    """What came back; the names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def replayed(self) -> bool:
        return self.headers.get("idempotent-replayed") == "true"


class Client:
    """One connection, made when it is needed. Every failure of it is an `OSError`."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes, headers: dict[str, str]) -> Reply:
        """Send a request and read all of the answer."""
        return await self.request("POST", path, body, headers)

    async def get(self, path: str) -> Reply:
        return await self.request("GET", path, b"", {})

    async def request(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Reply:
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(*self._address)
            reader, writer = self._streams
            writer.write(request(method, path, body, headers))
            return await _read(reader)
        except asyncio.IncompleteReadError as error:
            self.close()
            raise ConnectionResetError("the answer ended early") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def request(method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A request as it goes over the wire."""
    told = {"Host": "localhost", "Content-Length": str(len(body))}
    if body:
        told["Content-Type"] = "application/json"
    lines = [f"{method} {path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in (told | headers).items()]
    return "\r\n".join(lines).encode() + END + body


async def _read(reader: asyncio.StreamReader) -> Reply:
    head = (await reader.readuntil(END)).decode("latin-1").splitlines()
    headers = {}
    for line in filter(None, head[1:]):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Reply(int(head[0].split()[1]), headers, body)


async def respond(writer: asyncio.StreamWriter, body: bytes) -> None:
    """Answer 200, and no more on this connection."""
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}".encode() + END + body)
    await writer.drain()
