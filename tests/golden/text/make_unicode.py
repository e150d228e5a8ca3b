#!/usr/bin/env python3
"""make_unicode.py > transforms/text/text_unicode_data.h: asks Hugging Face tokenizers what it makes of every code point.

The library mixes several versions of Unicode (its crates have tables of their own, Rust's standard library another), so
the only way to be equal to it is to ask it. Run with tokenizers installed; takes a minute. What comes out are facts:
which class each code point belongs to, and its lower case."""
import unicodedata

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers


def isolates(pre, s):
    return [x for x, _ in pre.pre_tokenize_str("a" + s + "a")] == ["a", s, "a"]


def main():
    clean = normalizers.BertNormalizer(True, False, False, False)
    strip = normalizers.StripAccents()
    nfkd, nfd = normalizers.NFKD(), normalizers.NFD()
    low = normalizers.Lowercase()
    split = {k: pre_tokenizers.Split(Regex(k), "isolated") for k in (r"\p{L}", r"\p{N}")}
    space, word = pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Whitespace()
    bert, digits = pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Digits(False)
    accents = normalizers.BertNormalizer(False, False, True, False)

    def flags(c):
        s = chr(c)
        f = 0
        f |= 1 * (clean.normalize_str(s) == "")  # CONTROL
        f |= 2 * ([x for x, _ in space.pre_tokenize_str("a" + s + "a")] == ["a", "a"])  # SPACE
        f |= 4 * isolates(bert, s)  # PUNCT
        f |= 8 * (strip.normalize_str(s) == "")  # MARK
        f |= 16 * (accents.normalize_str(s) == "")  # NONSPACING
        f |= 32 * (s in [x for x, _ in split[r"\p{L}"].pre_tokenize_str("-\u2021" + s + "\u2021-")])  # LETTER
        f |= 64 * (s in [x for x, _ in split[r"\p{N}"].pre_tokenize_str("-\u2021" + s + "\u2021-")])  # NUMBER
        f |= 128 * isolates(digits, s)  # NUMERIC
        f |= 256 * ([x for x, _ in word.pre_tokenize_str("a" + s + "a")] == ["a" + s + "a"])  # WORD
        moves = nfd.normalize_str("a\u0345" + s) != "a\u0345" + s or nfd.normalize_str("a" + s + "\u0334") != "a" + s + "\u0334"
        f |= 512 * (nfkd.normalize_str(s) != s or moves)  # NORMAL: decomposes or is reordered
        f |= 1024 * (low.normalize_str(s) != s)  # UPPER
        return f

    print("/* text_unicode_data.h: made by tests/golden/text/make_unicode.py from tokenizers %s (unicodedata %s):" % (tokenizers.__version__, unicodedata.unidata_version))
    print(" * runs of code points of one class, and the runs of capitals with their distance to the small letter. */")
    print("#ifndef TEXT_UNICODE_DATA_H\n#define TEXT_UNICODE_DATA_H\n")
    print("/* { first << 11 | flags }, up to the next one's first */")
    print("static const uint32_t unicode_runs[] = {")
    last, runs, uppers = None, [], []
    for c in range(0x110000):
        f = 0 if 0xD800 <= c < 0xE000 else flags(c)
        if f != last:
            runs.append("0x%x," % (c << 11 | f))
            last = f
        if f & 1024 and c != 0x130:  # U+0130 is the only one that becomes two
            d = ord(low.normalize_str(chr(c))) - c
            u = uppers[-1] if uppers else None
            if u and u[3] == d and c - u[1] in (1, 2) and u[2] in (0, c - u[1]):
                u[1], u[2] = c, c - u[1]
            else:
                uppers.append([c, c, 0, d])
    for i in range(0, len(runs), 9):
        print("    " + " ".join(runs[i : i + 9]))
    print("};\n\n/* first, last, step, distance */\nstatic const struct {\n    uint32_t first, last, step;\n    int32_t distance;\n} unicode_capitals[] = {")
    cap = ["{0x%x, 0x%x, %d, %d}," % (a, b, s or 1, d) for a, b, s, d in uppers]
    for i in range(0, len(cap), 4):
        print("    " + " ".join(cap[i : i + 4]))
    print("};\n\n#endif")


main()
