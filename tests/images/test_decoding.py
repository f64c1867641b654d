"""One picture to RGB: every mode, orientation and profile comes out as the eye would see it."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from kvae.images import decoding
from kvae.images.decoding import BadPicture, decode

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def encoded(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def pixels(data: bytes, size: int = 8, crop: str = "square", **options) -> np.ndarray:
    flat, _ = decode(data, size=size, crop=crop, **options)
    return np.frombuffer(flat, np.uint8).reshape(size, size, 3).astype(int)


def notes(data: bytes) -> tuple[str, ...]:
    return decode(data, size=8)[1]


def close(picture: np.ndarray, colour, within: int = 3) -> bool:
    return bool((np.abs(picture - np.array(colour)) <= within).all())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_every_format_keeps_its_colour(kind):
    assert close(pixels(encoded(Image.new("RGB", (20, 20), (200, 40, 90)), kind)), (200, 40, 90), within=6)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(kind):
    assert close(pixels(encoded(Image.new("CMYK", (20, 20), (0, 255, 255, 0)), kind)), RED, within=4)


def test_grey_becomes_rgb_of_equal_channels():
    assert close(pixels(encoded(Image.new("L", (20, 20), 77))), (77, 77, 77), within=0)


def test_black_and_white_becomes_0_and_255():
    assert close(pixels(encoded(Image.new("1", (20, 20), 1))), (255, 255, 255), within=0)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize(("value", "expected"), [(0, 0), (32768, 128), (65535, 255), (257 * 40, 40)])
def test_16_bit_grey_is_scaled_and_not_cut(kind, value, expected):
    picture = Image.fromarray(np.full((20, 20), value, np.uint16))
    assert close(pixels(encoded(picture, kind)), (expected,) * 3, within=0)


def test_16_bit_rgb_png_is_scaled():
    import struct
    import zlib

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    row = b"\0" + struct.pack(">HHH", 65535, 32768, 0) * 4
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0))
    png += chunk(b"IDAT", zlib.compress(row * 4)) + chunk(b"IEND", b"")
    assert close(pixels(png), (255, 128, 0), within=1)


def test_32_bit_pixels_are_refused_with_a_reason():
    with pytest.raises(BadPicture, match="32-bit"):
        decode(encoded(Image.new("F", (9, 9), 0.5), "TIFF"), size=8)


@pytest.mark.parametrize("alpha", [0, 128, 255])
def test_alpha_is_composited_on_the_background(alpha):
    data = encoded(Image.new("RGBA", (20, 20), (*RED, alpha)))
    part = alpha / 255
    assert close(pixels(data), (255, 255 * (1 - part), 255 * (1 - part)))
    assert close(pixels(data, background=(0, 0, 0)), (255 * part, 0, 0))


def test_colour_hidden_under_full_transparency_does_not_bleed_at_edges():
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[:, :, 1] = 255  # green, and invisible in the left half
    picture[:, 32:] = (255, 0, 0, 255)
    result = pixels(encoded(Image.fromarray(picture)), size=9)
    assert (result[:, :, 1] <= result[:, :, 2] + 2).all()  # white to red: green never exceeds blue


def test_grey_with_alpha_is_composited():
    assert close(pixels(encoded(Image.new("LA", (20, 20), (0, 128)))), (127, 127, 127))


def test_palette_becomes_rgb_and_its_transparency_the_background():
    picture = Image.new("P", (20, 20), 1)
    picture.putpalette([*RED, *BLUE])
    assert close(pixels(encoded(picture)), BLUE, within=0)
    assert close(pixels(encoded(picture, transparency=1)), decoding.WHITE, within=0)


def test_transparent_colour_of_an_rgb_png_becomes_the_background():
    assert close(pixels(encoded(Image.new("RGB", (20, 20), GREEN), transparency=GREEN)), decoding.WHITE, within=0)


def test_lab_tiff_becomes_rgb():
    lab = ImageCms.profileToProfile(
        Image.new("RGB", (20, 20), (180, 60, 60)),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert close(pixels(encoded(lab, "TIFF")), (180, 60, 60), within=6)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_6_is_turned_upright(kind):
    picture = Image.new("RGB", (64, 64), RED)
    picture.paste(BLUE, (0, 0, 64, 32))  # blue above
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to see it upright: what was above is on the right
    result = pixels(encoded(picture, kind, exif=exif))
    assert close(result[:, 6:], BLUE, within=12)
    assert close(result[:, :2], RED, within=12)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_agrees_with_pillow(orientation):
    from PIL import ImageOps

    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert np.array_equal(pixels(data, size=16), np.asarray(expected))


def _swapped_profile() -> bytes:
    """A matrix profile whose red and blue primaries are exchanged: its red is sRGB's blue."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile = profile.replace(b"rXYZ", b"tmpX", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"tmpX", b"bXYZ", 1)
    return bytes(profile)


def test_a_colour_profile_is_followed():
    data = encoded(Image.new("RGB", (20, 20), RED), icc_profile=_swapped_profile())
    assert close(pixels(data), BLUE, within=6)
    assert notes(data) == ()


# named, as a profile holds the second in which it was made, and workers that collect in two seconds would not agree
@pytest.mark.parametrize("profile", [b"no profile at all", _swapped_profile()[:200]], ids=["no profile", "cut off"])
def test_a_bad_colour_profile_is_ignored_and_said(profile):
    data = encoded(Image.new("RGB", (20, 20), RED), icc_profile=profile)
    assert close(pixels(data), RED, within=0)
    assert "colour profile" in notes(data)[0]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_used_and_that_is_said(kind):
    frames = [Image.new("RGB", (20, 20), colour) for colour in (RED, GREEN)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert close(pixels(data), RED, within=8)
    assert "first" in notes(data)[0]


def test_square_shows_the_centre():
    picture = Image.new("RGB", (60, 20), RED)
    picture.paste(GREEN, (20, 0, 40, 20))
    assert close(pixels(encoded(picture)), GREEN, within=20)


def test_stretch_shows_all_of_it():
    picture = Image.new("RGB", (64, 16), RED)
    picture.paste(BLUE, (32, 0, 64, 16))
    result = pixels(encoded(picture), crop="stretch")
    assert close(result[:, :3], RED)
    assert close(result[:, 5:], BLUE)


@pytest.mark.parametrize(("width", "height"), [(64, 16), (16, 64)])
def test_pad_keeps_the_shape_on_the_mean_colour(width, height):
    result = pixels(encoded(Image.new("RGB", (width, height), (10, 200, 90))), crop="pad")
    assert close(result, (10, 200, 90), within=0)
    picture = Image.new("RGB", (width, height), (0, 0, 0))
    picture.paste((200, 200, 200), (0, 0, width // 2, height) if width > height else (0, 0, width, height // 2))
    result = pixels(encoded(picture), crop="pad")
    assert close(result[0, 0], (100, 100, 100), within=4)
    inner = result[3:5] if width > height else result[:, 3:5].transpose(1, 0, 2)
    assert close(inner[:, :3], (200, 200, 200), within=4)
    assert close(inner[:, 5:], (0, 0, 0), within=4)


def test_resizing_is_antialiased():
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    assert close(pixels(encoded(Image.fromarray(stripes))), (128, 128, 128), within=4)


@pytest.mark.parametrize("width", [227, 500, 1001])
def test_the_reduced_jpeg_decode_looks_like_the_full_one(width):
    ramp = np.linspace(0, 255, width)
    waves = 127 + 60 * np.sin(np.arange(width) / width * 20)
    picture = np.stack([ramp[None, :] + 0 * ramp[:, None], waves[:, None] + 0 * ramp, 0 * ramp + ramp[:, None]], -1)
    picture = Image.fromarray(picture.round().astype(np.uint8))
    expected = np.asarray(picture.resize((64, 64), Image.Resampling.LANCZOS)).astype(int)
    result = pixels(encoded(picture, "JPEG", quality=95, subsampling=0), size=64)
    assert np.abs(result - expected).mean() < 1.5


def test_enlarging_and_extreme_shapes_work():
    assert pixels(encoded(Image.new("RGB", (1, 1), RED))).shape == (8, 8, 3)
    for crop in decoding.CROPS:
        assert close(pixels(encoded(Image.new("RGB", (1, 3000), RED)), crop=crop), RED, within=0)


@pytest.mark.parametrize(
    "error", [MemoryError, ZeroDivisionError, Image.DecompressionBombError, RecursionError, KeyError]
)
def test_whatever_a_decoder_raises_becomes_a_reason(error, monkeypatch):
    def broken(*_, **__):
        raise error("odd")

    monkeypatch.setattr(Image, "open", broken)
    with pytest.raises(BadPicture):
        decode(encoded_png, size=8)


encoded_png = encoded(Image.new("RGB", (4, 4)))
