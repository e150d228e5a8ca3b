"""Makes the images here and images.txt: what Pillow decodes them to, and resizes them to.

The picture is a part of scikit-image's "astronaut", a photograph by NASA in the public domain. Run in a virtual environment with pillow, numpy and scikit-image; the results are committed, so the tests need none
of it. Lines of images.txt:

    decode FILE MODE HEIGHT WIDTH CRC32            pixels of Image.open(FILE).convert(MODE)
    resize FILE MODE FILTER HEIGHT WIDTH CRC32     the same, then resize((WIDTH, HEIGHT), FILTER)
    orient FILE MODE HEIGHT WIDTH CRC32            pixels of ImageOps.exif_transpose(Image.open(FILE)).convert(MODE)
    reject FILE CODE                               sluice must reject it so
"""

import ctypes
import io
import os
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms, ImageOps
from skimage import data

HERE = os.path.dirname(os.path.abspath(__file__))
lines = []
rng = np.random.default_rng(20240229)


def write(name, content):
    with open(os.path.join(HERE, name), "wb") as f:
        f.write(content)


def pixels(name, mode):
    return Image.open(os.path.join(HERE, name)).convert(mode)


def crc(image):
    return f"{zlib.crc32(np.asarray(image).tobytes()):08x}"


def golden(name, content, modes=("RGB", "L")):
    write(name, content)
    for mode in modes:
        image = pixels(name, mode)
        lines.append(f"decode {name} {mode} {image.height} {image.width} {crc(image)}")


def saved(image, fmt, **options):
    b = io.BytesIO()
    image.save(b, fmt, **options)
    return b.getvalue()


# --- PNG, written by hand where Pillow cannot ---


def chunk(kind, body, broken=False):
    check = zlib.crc32(kind + body) ^ (1 if broken else 0)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)


def rows(a):
    return b"".join(b"\0" + bytes(r) for r in a)


def packed(a, bits):
    """Rows of sample values (h, w) as packed bytes."""
    out = []
    for row in a:
        text = "".join(format(int(v), f"0{bits}b") for v in row)
        text += "0" * (-len(text) % 8)
        out.append(bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8)))
    return out


ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def png(width, height, depth, color, samples, interlaced=False, extra=b"", idat=None, size=None):
    """samples(x, y) slices give arrays whose rows are lists of bytes."""
    w, h = size or (width, height)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, color, 0, 0, 1 if interlaced else 0))
    if idat is None:
        if interlaced:
            raw = b"".join(
                rows(samples(slice(y0, None, dy), slice(x0, None, dx)))
                for x0, y0, dx, dy in ADAM7
                if x0 < width and y0 < height
            )
        else:
            raw = rows(samples(slice(None), slice(None)))
        idat = chunk(b"IDAT", zlib.compress(raw, 9))
    return b"\x89PNG\r\n\x1a\n" + head + extra + idat + chunk(b"IEND", b"")


def plain(a):
    """A (h, w) or (h, w, c) array of u8 or big-endian u16 as a sampler."""
    return lambda ys, xs: [np.ascontiguousarray(r).tobytes() for r in a[ys, xs]]


def bits(a, depth):
    return lambda ys, xs: packed(a[ys, xs], depth)


photo = Image.fromarray(data.astronaut()[60:157, 160:291])  # 131 x 97: odd, prime-ish sides
small = photo.resize((37, 23))
rgb = np.asarray(small)
grey = np.asarray(small.convert("L"))
h, w = grey.shape

golden("rgb.png", saved(small, "PNG"))
golden("grey.png", saved(small.convert("L"), "PNG"))
golden("palette.png", saved(small.quantize(61), "PNG"))
golden("palette_transparent.png", saved(small.quantize(61), "PNG", transparency=3))
golden("palette_4.png", saved(small.quantize(13), "PNG", bits=4))
golden("bit.png", saved(small.convert("1"), "PNG"))
golden("grey_2.png", png(w, h, 2, 0, bits(grey // 64, 2)))
golden("grey_4.png", png(w, h, 4, 0, bits(grey // 16, 4)))
alpha = np.dstack([rgb, rng.integers(0, 256, (h, w), np.uint8)])
golden("rgba.png", saved(Image.fromarray(alpha), "PNG"))
golden("grey_alpha.png", saved(Image.fromarray(alpha).convert("LA"), "PNG"))
deep = rng.integers(0, 65536, (h, w, 4)).astype(">u2")
golden("rgb_16.png", png(w, h, 16, 2, plain(deep[..., :3])))
golden("rgba_16.png", png(w, h, 16, 6, plain(deep)))
golden("grey_alpha_16.png", png(w, h, 16, 4, plain(deep[..., :2])))
dim = rng.integers(0, 400, (h, w)).astype(">u2")  # Pillow clips these at 255
golden("grey_16.png", png(w, h, 16, 0, plain(dim)))
golden("grey_16_interlaced.png", png(w, h, 16, 0, plain(dim), True))
golden("rgb_interlaced.png", png(w, h, 8, 2, plain(rgb), True))
golden("grey_interlaced.png", png(w, h, 8, 0, plain(grey), True))
golden("bit_interlaced.png", png(w, h, 1, 0, bits(grey // 128, 1), True))
golden("one_pixel.png", saved(small.crop((0, 0, 1, 1)), "PNG"))
golden("rgb_trns_gamma.png", png(w, h, 8, 2, plain(rgb), extra=chunk(b"gAMA", struct.pack(">I", 100000))
                                 + chunk(b"tRNS", struct.pack(">HHH", *(int(v) for v in rgb[0, 0])))))
profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
golden("rgb_profile_text.png", saved(small, "PNG", icc_profile=profile))

# --- JPEG ---

for name, options in {
    "baseline_420.jpg": {"subsampling": "4:2:0"},
    "baseline_422.jpg": {"subsampling": "4:2:2"},
    "baseline_444.jpg": {"subsampling": "4:4:4", "quality": 95},
    "progressive_420.jpg": {"progressive": True, "subsampling": "4:2:0"},
    "progressive_444.jpg": {"progressive": True, "subsampling": "4:4:4"},
    "restart.jpg": {"restart_marker_blocks": 3},
}.items():
    golden(name, saved(photo, "JPEG", **options))
golden("grey.jpg", saved(photo.convert("L"), "JPEG"))
golden("grey_progressive.jpg", saved(photo.convert("L"), "JPEG", progressive=True))
golden("cmyk.jpg", saved(photo.convert("CMYK"), "JPEG"))
golden("cmyk_progressive.jpg", saved(photo.convert("CMYK"), "JPEG", progressive=True))
golden("one_pixel.jpg", saved(photo.crop((0, 0, 1, 1)), "JPEG"))
golden("keep_rgb.jpg", saved(small, "JPEG", keep_rgb=True))


def turbo(image, subsampling):
    """By libturbojpeg, for the subsamplings that Pillow does not write."""
    lib = ctypes.CDLL("libturbojpeg.so.0")
    lib.tjInitCompress.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(lib.tjInitCompress())
    out, size = ctypes.c_void_p(), ctypes.c_ulong()
    data = image.tobytes()
    lib.tjCompress2(handle, data, image.width, 0, image.height, 0, ctypes.byref(out), ctypes.byref(size), subsampling,
                    80, 0)
    jpeg = ctypes.string_at(out, size.value)
    lib.tjFree(out)
    lib.tjDestroy(handle)
    return jpeg


golden("baseline_440.jpg", turbo(photo, 4))
golden("baseline_411.jpg", turbo(photo, 5))
exif = Image.Exif()
exif[0x0112] = 6
golden("exif_turned.jpg", saved(small, "JPEG", exif=exif))

# --- WebP ---

golden("lossy.webp", saved(photo, "WEBP", quality=80))
golden("lossless.webp", saved(small, "WEBP", lossless=True))
golden("lossy_alpha.webp", saved(Image.fromarray(alpha), "WEBP", quality=80))
golden("lossless_alpha.webp", saved(Image.fromarray(alpha), "WEBP", lossless=True, exact=True))
golden("grey.webp", saved(photo.convert("L"), "WEBP", quality=60))
golden("one_pixel.webp", saved(photo.crop((0, 0, 1, 1)), "WEBP"))

# --- turned by EXIF data ---


def turned(name, fmt, orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    write(name, saved(small, fmt, exif=data))
    for mode in ("RGB", "L"):
        image = ImageOps.exif_transpose(Image.open(os.path.join(HERE, name))).convert(mode)
        lines.append(f"orient {name} {mode} {image.height} {image.width} {crc(image)}")


for orientation in range(1, 9):
    turned(f"turned_{orientation}.jpg", "JPEG", orientation)
turned("turned_6.png", "PNG", 6)
turned("turned_8.webp", "WEBP", 8)

# --- what must be refused ---


def reject(name, content, code):
    write(name, content)
    lines.append(f"reject {name} {code}")


jpeg = saved(photo, "JPEG")
progressive = saved(photo, "JPEG", progressive=True)
whole = saved(small, "PNG")
scan = jpeg.index(b"\xff\xda")
reject("empty.jpg", b"", "empty-image")
reject("text.png", b"this is no image\n", "unknown-image")
webp = saved(photo, "WEBP", quality=80)
reject("truncated.webp", webp[: len(webp) // 2], "truncated-webp")
reject("only_header.webp", webp[:16], "truncated-webp")
reject("corrupt.webp", webp[:20] + bytes(b ^ 0xFF for b in webp[20:40]) + webp[40:], "corrupt-webp")
reject("animation.webp", saved(photo, "WEBP", save_all=True, append_images=[photo.transpose(0)]), "unsupported-webp")
reject("animation.gif", b"GIF89a" + bytes(20), "unsupported-image")
reject("truncated.jpg", jpeg[: len(jpeg) // 2], "truncated-jpeg")
reject("truncated_progressive.jpg", progressive[: len(progressive) // 2], "truncated-jpeg")
reject("truncated_header.jpg", jpeg[:100], "truncated-jpeg")
reject("without_end.jpg", jpeg[:-2], "truncated-jpeg")
reject("only_start.jpg", jpeg[:4], "truncated-jpeg")
reject("corrupt_scan.jpg", jpeg[: scan + 40] + b"\xff\xc4\x00\x03" + jpeg[scan + 44 :], "corrupt-jpeg")
reject("corrupt_huffman.jpg", jpeg[: scan + 30] + b"\xff\x00" * 60 + jpeg[scan + 150 :], "corrupt-jpeg")
sof = jpeg.index(b"\xff\xc0")
reject("huge.jpg", jpeg[: sof + 5] + struct.pack(">HH", 65500, 65500) + jpeg[sof + 9 :], "too-many-pixels")
reject("twelve_bit.jpg", jpeg[: sof + 4] + b"\x0c" + jpeg[sof + 5 :], "unsupported-jpeg")
reject("lossless.jpg", jpeg[:sof] + b"\xff\xc3" + jpeg[sof + 2 :], "unsupported-jpeg")
reject("no_height.jpg", jpeg[: sof + 5] + struct.pack(">HH", 0, 97) + jpeg[sof + 9 :], "unsupported-jpeg")
reject("truncated.png", whole[: len(whole) // 2], "truncated-png")
reject("without_end.png", whole[:-12], "truncated-png")
reject("only_signature.png", whole[:8], "truncated-png")
reject("bad_checksum.png", png(w, h, 8, 2, None, idat=chunk(b"IDAT", zlib.compress(rows(rgb.reshape(h, -1))), True)),
       "corrupt-png")
reject("bad_text_checksum.png", png(w, h, 8, 2, plain(rgb), extra=chunk(b"tEXt", b"a\0b", True)), "corrupt-png")
reject("short_data.png", png(w, h, 8, 2, None, idat=chunk(b"IDAT", zlib.compress(b"\0" * 100))), "corrupt-png")
reject("no_palette.png", png(w, h, 8, 3, plain(grey)), "corrupt-png")
reject("bad_depth.png", png(w, h, 4, 2, plain(rgb)), "corrupt-png")
reject("huge.png", png(w, h, 8, 2, plain(rgb), size=(60000, 60000)), "too-many-pixels")
reject("wide.png", png(w, h, 8, 2, plain(rgb), size=(1000000, 1)), "too-many-pixels")
reject("no_height.png", png(w, h, 8, 2, plain(rgb), size=(w, 0)), "corrupt-png")
bad = bytearray(whole)
bad[60] ^= 0x55
reject("flipped.png", bytes(bad), "corrupt-png")

# --- resizing ---

FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4}
for name, modes in (("baseline_444.jpg", ("RGB", "L")), ("rgb.png", ("RGB",))):
    for mode in modes:
        image = pixels(name, mode)
        for f, number in FILTERS.items():
            for height, width in ((1, 1), (7, 5), (31, 33), (97, 64), (48, 131), (128, 128), (200, 300), (97, 400),
                                  (20, 128)):
                # Pillow 13: older versions do rows first where this begins with the columns
                resized = image.resize((width, height), number)
                lines.append(f"resize {name} {mode} {f} {height} {width} {crc(resized)}")

with open(os.path.join(HERE, "images.txt"), "w") as f:
    f.write("\n".join(lines) + "\n")
print(len(lines), "lines", sum(os.path.getsize(os.path.join(HERE, n)) for n in os.listdir(HERE)), "bytes")
