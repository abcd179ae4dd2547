"""A PNG decoder of its own, for tests: python3 tests/png.py FILE [X Y WIDTH HEIGHT [STEP]] writes the picture, or a part
of it, as PAM; with STEP only every STEP-th pixel. 8-bit RGB and RGBA without interlacing. Any fault is an exception."""
import struct
import sys
import zlib


def chunks(data):
    assert data[:8] == b"\x89PNG\r\n\x1a\n", "signature"
    at, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0], kind
        yield kind, body
        at += 12 + length
    assert at == len(data), "bytes behind the end"


def decode(data):
    parts = list(chunks(data))
    width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", parts[0][1])
    assert parts[0][0] == b"IHDR" and depth == 8 and color in (2, 6) and not interlaced
    channels = 4 if color == 6 else 3
    raw = zlib.decompress(b"".join(body for kind, body in parts if kind == b"IDAT"))
    stride = width * channels
    assert len(raw) == height * (stride + 1)
    rows, above = [], bytearray(stride)
    for y in range(height):
        kind, row = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1 : (y + 1) * (stride + 1)])
        if kind == 2 and not any(row):  # as above: most rows of an enlarged picture
            rows.append(above)
            continue
        for x in range(stride):
            left = row[x - channels] if x >= channels else 0
            corner = above[x - channels] if x >= channels else 0
            if kind == 4:
                over = above[x]
                to_left, to_over, to_corner = abs(over - corner), abs(left - corner), abs(left + over - 2 * corner)
                nearest = over if to_over <= to_corner else corner
                if to_left <= to_over and to_left <= to_corner:
                    nearest = left
                row[x] = (row[x] + nearest) & 255
            else:
                row[x] = (row[x] + (0, left, above[x], (left + above[x]) // 2)[kind]) & 255
        rows.append(row)
        above = row
    return width, height, channels, rows


def main():
    width, height, channels, rows = decode(open(sys.argv[1], "rb").read())
    numbers = [int(a) for a in sys.argv[2:]] or [0, 0, width, height]
    x, y, wide, high = numbers[:4]
    step = numbers[4] if len(numbers) > 4 else 1
    assert x + wide <= width and y + high <= height, "the part is outside"
    out = b"".join(
        bytes(row[c * channels : (c + 1) * channels])
        for row in rows[y : y + high : step]
        for c in range(x, x + wide, step)
    )
    head = "P7\nWIDTH %d\nHEIGHT %d\nDEPTH %d\nMAXVAL 255\nTUPLTYPE %s\nENDHDR\n"
    kind = "RGB_ALPHA" if channels == 4 else "RGB"
    sys.stdout.buffer.write((head % (wide // step, high // step, channels, kind)).encode() + out)


if __name__ == "__main__":
    main()
