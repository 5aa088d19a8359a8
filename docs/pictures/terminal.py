#!/usr/bin/env python3
"""terminal.py TITLE <BYTES >PICTURE.svg: what a terminal shows that was sent BYTES, as a picture.

It knows what our programs and their builds send: text, colours, carriage return, and erasing to the end of the line.
Text stays text, in whatever monospaced font the reader has; each piece is told its width, so that columns hold.
"""
import html
import itertools
import re
import sys

ADVANCE, LINE, SIZE = 7.8, 19, 13  # a character's width, a line's height, the font's size
MARGIN, BAR = 18, 36  # around the text; of the title, above it
COLUMNS = 100  # at least

COLORS = {30: 'k', 31: 'r', 32: 'g', 33: 'y', 34: 'b', 35: 'm', 36: 'c', 37: 'w', 90: 'd'}
STYLE = """
    .frame { fill: #1c2128; stroke: #444c56 } .title { fill: #8b949e; text-anchor: middle }
    text { fill: #d5dbe2; font: %dpx ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono",
      "Liberation Mono", monospace }
    .B { font-weight: bold; fill: #f5f7fa } .k, .d { fill: #8b949e } .r { fill: #ff8078 } .g { fill: #7ee787 }
    .y { fill: #e9c46a } .b { fill: #82b8ff } .m { fill: #d6abff } .c { fill: #7fd8e0 } .w { fill: #d5dbe2 }
""" % SIZE

TOKEN = re.compile(r'\x1b\[([0-9;?]*)([A-Za-z])|\x1b.|([^\x1b])', re.S)


def styled(style, codes):
    """The style, a set of classes, after `ESC [ codes m`."""
    for code in (int(c or 0) for c in codes.split(';')):
        if code == 0:
            style = frozenset()
        elif code == 1:
            style |= {'B'}
        elif code == 22:
            style -= {'B'}
        elif code == 39 or code in COLORS:
            style = (style & {'B'}) | ({COLORS[code]} if code != 39 else set())
    return style


def screen(sent):
    """Lines of (character, style)."""
    lines, column, style = [[]], 0, frozenset()
    for match in TOKEN.finditer(sent):
        codes, command, char = match.groups()
        if command == 'm':
            style = styled(style, codes)
        elif command == 'K':
            del lines[-1][column:]
        elif char == '\n':
            lines.append([])
            column = 0
        elif char == '\r':
            column = 0
        elif char and char >= ' ':
            lines[-1].extend([(' ', frozenset())] * (column - len(lines[-1])))
            lines[-1][column:column + 1] = [(char, style)]
            column += 1
    while lines and not lines[-1]:
        lines.pop()
    return lines


def pieces(line):
    """(column, text, style) of what has one style and no two blanks on end."""
    start = 0
    for _, run in itertools.groupby(line, key=lambda cell: cell[1]):
        run = list(run)
        text = ''.join(char for char, _ in run)
        for match in re.finditer(r'[^ ]+(?: [^ ]+)*', text):
            yield start + match.start(), match.group(), run[0][1]
        start += len(run)


def picture(title, lines):
    width = round(max(COLUMNS, *map(len, lines)) * ADVANCE + 2 * MARGIN)
    height = BAR + len(lines) * LINE + MARGIN
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
           f' role="img" aria-label="{html.escape(title)}">',
           f'<style>{STYLE}</style>',
           f'<rect class="frame" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8"/>']
    for at, color in enumerate(('#f0716a', '#e9c46a', '#6cc86f')):
        out.append(f'<circle cx="{MARGIN + 4 + 18 * at}" cy="{BAR / 2}" r="5" fill="{color}"/>')
    out.append(f'<text class="title" x="{width / 2}" y="{BAR / 2 + 4}">{html.escape(title)}</text>')
    for row, line in enumerate(lines):
        for column, text, style in pieces(line):
            kind = f' class="{" ".join(sorted(style))}"' if style else ''
            out.append(f'<text{kind} x="{MARGIN + column * ADVANCE:.1f}" y="{BAR + row * LINE + SIZE}"'
                       f' textLength="{len(text) * ADVANCE:.1f}" lengthAdjust="spacingAndGlyphs">'
                       f'{html.escape(text)}</text>')
    return '\n'.join(out) + '\n</svg>\n'


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.stdout.write(picture(sys.argv[1], screen(sys.stdin.buffer.read().decode(errors='replace'))))
