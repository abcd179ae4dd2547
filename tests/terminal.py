"""What `dit --show` sends to terminals with pictures, decoded: python3 tests/terminal.py KIND PNG COMMAND... runs the
command on a terminal of its own, answers it as such a terminal would, and compares the picture that it sent with the PNG,
enlarged. Sixels have fewer colours. Of terminals without pictures it is only checked that they get half blocks. KIND is
one of TERMINALS."""
import base64
import os
import pty
import re
import sys

import png


def received(kind, command):
    """All that the command wrote; the question for the terminal's features is answered."""
    variables, answer, _ = TERMINALS[kind]
    child, terminal = pty.fork()
    if child == 0:
        for name in ("TMUX", "STY", "KITTY_WINDOW_ID", "TERM_PROGRAM", "LC_TERMINAL"):
            os.environ.pop(name, None)
        os.environ["TERM"] = "xterm"
        os.environ.update(variables)
        os.execv(command[0], command)
    text = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        if not part:
            break
        if b"\x1b[c" in part:
            os.write(terminal, answer)
        text += part
    assert os.waitpid(child, 0)[1] == 0, text
    return text


def kitty(text):
    parts = re.findall(rb"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
    assert parts[0][0].startswith(b"f=100,a=T") and all(len(p[1]) <= 4096 for p in parts)
    assert [p[0][-3:] for p in parts] == [b"m=1"] * (len(parts) - 1) + [b"m=0"]
    return png.decode(base64.b64decode(b"".join(p[1] for p in parts)))


def iterm(text):
    size, data = re.search(rb"\x1b\]1337;File=inline=1;size=(\d+);[^:]*:([^\x07]*)\x07", text).groups()
    data = base64.b64decode(data)
    assert len(data) == int(size)
    return png.decode(data)


def sixel(text):
    wide, high, body = re.search(rb'\x1bP0;1q"1;1;(\d+);(\d+)(.*?)\x1b\\', text, re.S).groups()
    wide, high, colours, colour, x, y = int(wide), int(high), {}, None, 0, 0
    rows = [bytearray(4 * wide) for _ in range(high)]
    for define, select, count, char in re.findall(rb"#(\d+;2;\d+;\d+;\d+)|#(\d+)|!(\d+)(?=[?-~])|([?-~$-])", body):
        if define:
            number, _, *rgb = map(int, define.split(b";"))
            colours[number] = [round(c * 2.55) for c in rgb]
        elif select:
            colour = colours[int(select)]
        elif count:
            repeat = int(count)
            continue
        elif char in b"$-":
            x, y = 0, y + 6 * (char == b"-")
        else:
            for x in range(x, x + repeat):
                for bit in range(6):
                    if (char[0] - 63) >> bit & 1:
                        rows[y + bit][4 * x : 4 * x + 4] = bytes(colour + [255])
            x += 1
        repeat = 1
    return wide, high, 4, rows


HAS_SIXEL, HAS_NONE = b"\x1b[?62;4;22c", b"\x1b[?62;22c"
TERMINALS = {  # what is in the environment, the answer to a question for attributes, and what reads the picture
    "kitty": ({"TERM": "xterm-kitty"}, b"", kitty),
    "kitty-window": ({"KITTY_WINDOW_ID": "1"}, b"", kitty),
    "ghostty": ({"TERM_PROGRAM": "ghostty"}, b"", kitty),
    "iterm": ({"TERM_PROGRAM": "iTerm.app"}, b"", iterm),
    "wezterm": ({"TERM_PROGRAM": "WezTerm"}, b"", iterm),
    "mintty": ({"TERM_PROGRAM": "mintty"}, b"", iterm),
    "remote-iterm": ({"LC_TERMINAL": "iTerm2"}, b"", iterm),
    "sixel": ({}, HAS_SIXEL, sixel),
    "last-sixel": ({"TERM_PROGRAM": "other"}, b"\x1b[?62;4c", sixel),
    "plain": ({"KITTY_WINDOW_ID": ""}, HAS_NONE, None),
    "silent": ({}, b"", None),
    "babbling": ({}, b"x" * 200, None),
    "dumb": ({"TERM": "dumb", "TERM_PROGRAM": "iTerm.app"}, HAS_SIXEL, None),
    "tmux": ({"TMUX": "1", "TERM_PROGRAM": "iTerm.app"}, HAS_NONE, None),
    "screen": ({"STY": "1", "KITTY_WINDOW_ID": "1"}, HAS_NONE, None),
}


def main():
    kind, path = sys.argv[1:3]
    text, decode = received(kind, sys.argv[3:]), TERMINALS[kind][2]
    if not decode:
        assert "\u2580".encode() in text and not re.search(rb"\x1b_G|\x1b\]|\x1bP", text), text
        return
    width, height, channels, rows = decode(text)
    wide, high, _, small = png.decode(open(path, "rb").read())
    scale = width // wide
    assert (width, height, channels) == (wide * scale, high * scale, 4) and scale >= 1
    for y in range(height):
        for x in range(width):
            got, want = rows[y][4 * x : 4 * x + 4], small[y // scale][4 * (x // scale) : 4 * (x // scale) + 4]
            if decode != sixel:
                assert got == want, (x, y, got, want)
            elif want[3] < 128:
                assert got[3] == 0, (x, y, got, want)
            else:
                assert got[3] == 255 and max(abs(a - b) for a, b in zip(got, want[:3])) < 28, (x, y, got, want)


main()
