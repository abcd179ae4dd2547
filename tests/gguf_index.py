"""The tensors of a model file, for the tests: gguf_index.read(file) -> [(name, shape, offset in the file)]."""
import struct

KINDS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


def read_number(file, form):
    return struct.unpack("<" + form, file.read(struct.calcsize("<" + form)))[0]


def read_string(file):
    return file.read(read_number(file, "Q")).decode()


def read_value(file, kind):
    if kind == 8:
        return read_string(file)
    if kind == 9:
        kind, count = read_number(file, "I"), read_number(file, "Q")
        return [read_value(file, kind) for _ in range(count)]
    return read_number(file, KINDS[kind])


def read(file):
    """All tensors must be f32."""
    file.seek(8)
    tensors, keys = read_number(file, "Q"), read_number(file, "Q")
    found = {}
    for _ in range(keys):
        name = read_string(file)
        found[name] = read_value(file, read_number(file, "I"))
    index = []
    for _ in range(tensors):
        name = read_string(file)
        shape = [read_number(file, "Q") for _ in range(read_number(file, "I"))][::-1]
        if read_number(file, "I") != 0:
            raise ValueError("%s is not f32" % name)
        index.append((name, shape, read_number(file, "Q")))
    align = found.get("general.alignment", 32)
    base = (file.tell() + align - 1) // align * align
    return [(name, shape, base + offset) for name, shape, offset in index]
