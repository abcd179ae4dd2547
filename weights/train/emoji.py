#!/usr/bin/env python3
# emoji.py - a small real set to try train.py on: pictures of a colour emoji font as PNG, a folder for each class.
# SPDX-License-Identifier: CC0-1.0
#
#   emoji.py [FONT] FOLDER        FONT: NotoColorEmoji.ttf, of Debian's fonts-noto-color-emoji (OFL)

import os
import sys

from PIL import Image, ImageDraw, ImageFont

CLASSES = {
    "face": [*range(0x1F600, 0x1F645), *range(0x1F910, 0x1F918), *range(0x1F920, 0x1F930), 0x1F970, *range(0x1F973, 0x1F977)],
    "animal": [*range(0x1F400, 0x1F440), *range(0x1F980, 0x1F9AE)],
    "food": [*range(0x1F345, 0x1F380), *range(0x1F950, 0x1F970)],
    "heart": [*range(0x1F493, 0x1F4A0), 0x1F5A4, 0x1F90D, 0x1F90E, 0x1F9E1, 0x2764],
    "clock": [*range(0x1F550, 0x1F568)],
    "moon": [*range(0x1F311, 0x1F31F)],
}


def main():
    font_path = sys.argv[1] if len(sys.argv) == 3 else "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
    folder = sys.argv[-1]
    font = ImageFont.truetype(font_path, 109)  # the one size of its bitmaps
    for name, codes in CLASSES.items():
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        for code in codes:
            picture = Image.new("RGBA", (160, 160))
            ImageDraw.Draw(picture).text((80, 80), chr(code), font=font, embedded_color=True, anchor="mm")
            box = picture.getbbox()
            if box:
                picture = picture.crop(box)
                picture.thumbnail((128, 128))
                picture.save(os.path.join(folder, name, "%x.png" % code))


main()
