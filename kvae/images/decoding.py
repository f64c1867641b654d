"""One picture file to square 8-bit RGB pixels, with Pillow alone.

Every decoding process imports this file, so it imports neither numpy nor anything else that is slow to start.

Everything but the decoder itself works on the small picture: orientation, colour profile and background commute with
the resize (exactly or to within a level), and at 64x64 they cost nothing.
"""

import functools
import io

from PIL import Image, ImageFile

from kvae.images.kinds import HEIC, NO_PICTURE, START, kind_of

MAX_PIXELS = 64_000_000  # pixels of one picture; checked against the header, before anything is decoded
CROPS = ("square", "pad", "stretch")
WHITE = (255, 255, 255)
DECODER_VERSION = 1  # raise it when the same file would give other pixels: every cache is then rebuilt

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112  # the EXIF tag


class BadPicture(ValueError):
    """A file that cannot be used as a picture; the message is the reason, in words for its owner."""


class NoMemory(BadPicture):
    """A picture that may well be decoded at another time."""


def decode(data: bytes, *, size: int, crop: str = "square", background: tuple[int, int, int] = WHITE, name: str = ""):
    """Return (pixels, notes): size*size*3 bytes of sRGB, rows from the top, and what the owner should know.

    `crop` is "square" (the centre), "pad" (all of it, on its own mean colour) or "stretch". Transparent parts show
    `background`. `name` is the file's, whose ending tells a camera's RAW file from a TIFF. Raises BadPicture with the
    reason, whatever the decoder raised.
    """
    try:
        return _decode(data, size, crop, background, name)
    except BadPicture:
        raise
    except MemoryError:
        raise NoMemory("needs more memory than is free") from None
    except Image.DecompressionBombError:
        raise BadPicture(f"has far more pixels than the limit of {MAX_PIXELS // 10**6} megapixels") from None
    except Image.UnidentifiedImageError:
        raise BadPicture("its header is damaged") from None
    except Exception as error:
        raise BadPicture(f"damaged or cut off ({_short(error)})") from None


def fit(picture: Image.Image, size: int, crop: str, extent: tuple[float, float] | None = None) -> Image.Image:
    """Resize to (size, size) with antialiasing; "pad" leaves the longer side at `size` and the other smaller.

    `extent` is the used (width, height) in pixels, fractional after a reduced JPEG decode; by default all of it.
    """
    width, height = extent or picture.size
    box, target = (0.0, 0.0, width, height), (size, size)
    if crop == "square":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
    elif crop == "pad":
        target = _padded_size(width, height, size)
    return picture.resize(target, Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)


def letterbox(picture: Image.Image, size: int) -> Image.Image:
    """Centre a picture that `fit` left smaller than (size, size) on a square of its own mean colour."""
    if picture.size == (size, size):
        return picture
    mean = picture.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    square = Image.new(picture.mode, (size, size), mean)
    square.paste(picture, ((size - picture.width) // 2, (size - picture.height) // 2))
    return square


def flatten(picture: Image.Image, background: tuple[int, int, int] = WHITE) -> Image.Image:
    """Composite a picture with alpha (RGBA or LA) on `background`; the result is RGB."""
    canvas = Image.new("RGB", picture.size, background)
    canvas.paste(picture.convert("RGB"), mask=picture.getchannel("A"))
    return canvas


def _decode(data: bytes, size: int, crop: str, background: tuple[int, int, int], name: str):
    notes: list[str] = []
    with _open(data, name) as picture:
        extent = _read(picture, size, crop, notes)
        profile, turn = picture.info.get("icc_profile"), _turn(picture)
        small = fit(_resizable(picture), size, crop, extent)
    if turn is not None:
        small = small.transpose(turn)
    alpha = small.getchannel("A") if small.mode in ("RGBA", "LA") else None
    if alpha is not None:
        small = small.convert("RGB" if small.mode == "RGBA" else "L")
    small = _as_srgb(small, profile, notes)
    if alpha is not None:
        small.putalpha(alpha)
        small = flatten(small, background)
    return letterbox(small, size).tobytes(), tuple(notes)


def _open(data: bytes, name: str) -> ImageFile.ImageFile:
    """Open by content, whatever the file is called, so that Pillow loads one decoder; refuse by the header."""
    if not data:
        raise BadPicture("is empty (0 bytes)")
    kind = kind_of(data[:START], name)
    if kind is None:
        raise BadPicture(NO_PICTURE)
    if not kind.read:
        raise BadPicture(kind.reason)
    if kind is HEIC:
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False)
    picture = Image.open(io.BytesIO(data), formats=[kind.decoder])
    pixels = picture.width * picture.height
    if pixels > MAX_PIXELS:
        raise BadPicture(f"has {pixels / 1e6:.0f} megapixels; the limit is {MAX_PIXELS // 10**6}")
    return picture


def _read(picture: ImageFile.ImageFile, size: int, crop: str, notes: list[str]) -> tuple[float, float]:
    """Decode the first frame, JPEGs at a half, quarter or eighth where that is enough; return the used extent."""
    # MPO is a JPEG with a preview or depth map behind it, as telephones write them: nothing to tell anyone.
    if getattr(picture, "is_animated", False) and picture.format != "MPO":
        notes.append("has several frames or pages; the first is used")
    target = _padded_size(picture.width, picture.height, size) if crop == "pad" else (size, size)
    drafted = picture.draft(picture.mode, target) if picture.format in ("JPEG", "MPO") else None
    picture.load()
    if drafted:  # (mode, box): 227 pixels halved are 113.5, and the half matters at 64x64 (31 dB against 43 dB)
        return drafted[1][2], drafted[1][3]
    return picture.size  # after loading, for Pillow turns a TIFF upright while it loads


def _turn(picture: Image.Image) -> Image.Transpose | None:
    try:
        return _TURNS.get(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF raises nearly anything; the picture is used as it lies
        return None


def _resizable(picture: Image.Image) -> Image.Image:
    """Bring any mode to one that can be interpolated: L, LA, RGB, RGBA, CMYK or LAB."""
    mode, transparent = picture.mode, "transparency" in picture.info
    if mode.startswith("I;16"):  # v / 257 maps 0..65535 onto 0..255; a cut at 255 would be nearly all white
        return picture.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    if mode in ("I", "F"):
        raise BadPicture(f"has 32-bit pixels (mode {mode}); save it with 8 or 16 bits a channel")
    if mode == "PA" or transparent:
        return picture.convert("RGBA")
    modes = {"1": "L", "P": "RGB", "La": "LA", "RGBa": "RGBA", "YCbCr": "RGB", "HSV": "RGB", "RGBX": "RGB"}
    return picture.convert(modes[mode]) if mode in modes else picture


def _as_srgb(picture: Image.Image, profile: bytes | None, notes: list[str]) -> Image.Image:
    """Convert to sRGB through the embedded profile; without one, or with a bad one, by the plain rule of the mode."""
    if picture.mode == "LAB":
        profile = b"LAB"
    if profile:
        try:
            from PIL import ImageCms

            converted = ImageCms.applyTransform(picture, _transform(profile, picture.mode))
            if converted is not None:
                return converted
        except Exception:  # whatever a damaged profile raises, it is said
            notes.append("its colour profile is damaged; used without it")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


@functools.lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str):
    """A lookup from `profile` to sRGB; one folder usually holds one or two profiles, and building costs 5 ms."""
    from PIL import ImageCms

    if profile == b"LAB":
        source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    else:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    return ImageCms.buildTransform(source, target, mode, "RGB", renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC)


def _padded_size(width: float, height: float, size: int) -> tuple[int, int]:
    longest = max(width, height)
    return max(1, round(size * width / longest)), max(1, round(size * height / longest))


def _short(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 80 else text[:77] + "..."
