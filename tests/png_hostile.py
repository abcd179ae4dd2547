"""PNG files whose texts lie: python3 tests/png_hostile.py BASE FOLDER makes files STATUS-NAME.png from a file of dit's,
which `dit --again` must answer with that exit status (0: their lies do not matter), without a crash and in no time."""
import os
import struct
import sys
import zlib

MANY = "7," * 65535 + "7"


def read(data):
    at, found = 8, []
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        found.append((kind, data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(parts):
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, body) for kind, body in parts)


def text(key, value):
    return b"tEXt", key.encode("latin-1") + b"\0" + value.encode("latin-1")


def has(part, key):
    return part[0] == b"tEXt" and part[1].startswith(key.encode() + b"\0")


def main():
    base, folder = open(sys.argv[1], "rb").read(), sys.argv[2]
    parts = read(base)

    def write(status, name, data):
        with open(os.path.join(folder, "%d-%s.png" % (status, name)), "wb") as file:
            file.write(data)

    def replaced(key, new):
        return png([p for old in parts for p in (new if has(old, key) else [old])])

    keys = [p[1].split(b"\0")[0].decode() for p in parts if p[0] == b"tEXt"]
    needed = [k for k in keys if k not in ("Software", "Model", "License", "Class")]
    assert len(needed) >= 19, needed
    for key in needed:
        plain = key.replace(" ", "_")
        write(1, plain + "-missing", replaced(key, []))
        write(1, plain + "-twice", replaced(key, [text(key, "1"), text(key, "1")]))
        write(1, plain + "-empty", replaced(key, [text(key, "")]))
        write(1, plain + "-long", replaced(key, [text(key, "1" * 100000)]))
        write(1, plain + "-format", replaced(key, [text(key, "%s%n%s%n")]))
    for key, values in {
        "Steps": ("0", "1001", "-1", "+5", " 5", "5 ", "0x5", "5.0", "4294967297", "18446744073709551617"),
        "Width": ("0", "16385", "99999999999", "1e2"),
        "Scale": ("0", "65"),
        "Guidance scale": ("nan", "inf", "-1", "0", "1e999", "0x1p3", "2,5", "1e-300", "--1", "."),
        "Eta": ("1.0001", "-0.1"),
        "Guidance start": ("1.5", "-1"),
        "Guidance end": ("0", "2"),
        "Seed": ("-1", "1 to", " to 2", "1 to 0", "0 to 65536", "1 to 2 to 3", "18446744073709551616"),
        "Class numbers": (",", "1,", ",1", "-1", "2147483648", "all", "potion", "none ", MANY + ",7", "9" * 1000000),
        "Sampler": ("DDIM", "ddim ", "0"),
        "Compute": ("bf16", "2"),
        "Model hash": ("f4fd61f2bd3b44c0", "fnv1a64:", "fnv1a64:F4FD61F2BD3B44C0", "fnv1a64:0x00000000000000"),
        "DIT_NUMERICS": ("0", "-1"),
    }.items():
        for i, value in enumerate(values):
            write(1, "%s-%d" % (key.replace(" ", "_"), i), replaced(key, [text(key, value)]))

    def add(*more):
        return png(parts[:-1] + list(more) + parts[-1:])

    write(1, "mix-alone", add(text("Class mix", "0.5")))
    write(1, "class-b-alone", add(text("Class B number", "3")))
    write(1, "mask-alone", add(text("Mask", "fnv1a64:0000000000000000")))
    write(2, "init-image", add(text("Init image", "fnv1a64:0000000000000000"), text("Strength", "0.5")))
    # 20 million pictures; each number is small enough.
    write(1, "too-many", png([text("Class numbers", "7," * 20000 + "7") if has(p, "Class numbers") else
                              text("Seed", "0 to 999") if has(p, "Seed") else p for p in parts]))
    write(2, "class-unknown", replaced("Class numbers", [text("Class numbers", "99999")]))
    write(2, "too-large", png([text("Width", "16384") if has(p, "Width") else text("Height", "16384") if has(p, "Height")
                               else text("Scale", "64") if has(p, "Scale") else p for p in parts]))
    write(2, "odd-width", replaced("Width", [text("Width", "33")]))
    write(3, "model", replaced("Model hash", [text("Model hash", "fnv1a64:0000000000000000")]))
    write(3, "numerics", replaced("DIT_NUMERICS", [text("DIT_NUMERICS", "999")]))
    write(3, "seed", replaced("Seed", [text("Seed", "1")]))
    # The name is for people: escapes in it reach no terminal, paths in it are not opened.
    escape = text("Model", "\x1b]0;owned\x07/etc/passwd")
    write(0, "name-escape", replaced("Model", [escape]))
    write(3, "name-escape-told", png([text("Model hash", "fnv1a64:0000000000000000") if has(p, "Model hash") else
                                      text("Model", "a" * 90000) if has(p, "Model") else p for p in parts]))
    write(0, "name-path", replaced("Model", [text("Model", "../../../etc/passwd"), text("Comment", "-m /etc/passwd")]))
    write(0, "software", replaced("Software", [text("Software", "%s%n" * 5000)]))
    # The file itself.
    write(1, "no-texts", png([p for p in parts if p[0] != b"tEXt"]))
    write(1, "empty", b"")
    write(1, "cut", base[: len(base) // 2])
    write(1, "crc", base.replace(b"Steps\0", b"Stepz\0"))
    head = struct.pack(">IIBBBBB", 1 << 19, 1 << 19, 8, 6, 0, 0, 0)
    write(3, "huge", png([(b"IHDR", head)] + parts[1:]))
    head = struct.pack(">IIBBBBB", 16000, 16000, 8, 6, 0, 0, 0)
    write(3, "large-but-short", png([(b"IHDR", head)] + parts[1:]))
    bomb = zlib.compress(b"\0" * (1 << 26), 9)
    write(1, "bomb", png([parts[0], (b"IDAT", bomb)] + [p for p in parts[1:] if p[0] != b"IDAT"]))
    write(1, "text-bomb", add((b"zTXt", b"Steps\0\0" + bomb)))
    bits = struct.pack(">IIBBBBB", 32768, 16384, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (4097 * 16384), 9)
    write(3, "pixel-bomb", png([(b"IHDR", bits)] + [p for p in parts[1:] if p[0] != b"IDAT"][:-1] + [(b"IDAT", rows), (b"IEND", b"")]))
    texts = zlib.compress(b"A" * ((1 << 20) - 64), 9)
    write(1, "many-text-bombs", add(*[(b"zTXt", b"k%d\0\0" % i + texts) for i in range(2000)]))
    write(3, "absurd-work", png([(t, {b"Width": b"Width\x004096", b"Height": b"Height\x004096", b"Steps": b"Steps\x00999"}.get(
        b.split(b"\0")[0], b) if t == b"tEXt" else b) for t, b in parts]))
    write(0, "many-texts", add(*[text("K%d" % i, "v") for i in range(900)]))


main()
