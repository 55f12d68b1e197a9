"""Pictures of every supported kind become the same RGB pixels; others are refused by name."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpi_client.image_tools import resize_with_pad
from PIL import Image

from tmrl_agent.images import CompressedPicture, RawPicture, capped, is_black

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def raw(pixels, encoding="rgb8", padding=0):
    height, width, _ = pixels.shape
    rows = np.pad(pixels.reshape(height, -1), ((0, 0), (0, padding)), constant_values=77)
    return RawPicture(encoding, height, width, rows.shape[1], rows.reshape(-1))


def compressed(pixels, file_format, compression, **how):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format=file_format, **how)
    return CompressedPicture(compression, np.frombuffer(file.getvalue(), dtype=np.uint8))


@pytest.mark.parametrize("padding", [0, 1, 9])
@pytest.mark.parametrize(("encoding", "order"), [("rgb8", 1), ("bgr8", -1)])
def test_both_orders_of_channels_and_padded_rows_give_the_same_pixels(encoding, order, padding):
    pixels = raw(RGB[..., ::order], encoding, padding).pixels()
    np.testing.assert_array_equal(pixels, RGB)
    assert pixels.flags["C_CONTIGUOUS"]


BAYER = {"rggb": (0, 0), "grbg": (0, 1), "gbrg": (1, 0), "bggr": (1, 1)}


@pytest.mark.parametrize(("pattern", "red_at"), BAYER.items())
def test_what_a_bayer_sensor_measured_is_kept(pattern, red_at):
    values = np.random.default_rng(1).integers(0, 256, (6, 8), dtype=np.uint8)
    pixels = RawPicture(f"bayer_{pattern}8", 6, 8, 8, values.reshape(-1)).pixels()
    row, column = red_at
    np.testing.assert_array_equal(pixels[row::2, column::2, 0], values[row::2, column::2])
    np.testing.assert_array_equal(
        pixels[1 - row :: 2, 1 - column :: 2, 2], values[1 - row :: 2, 1 - column :: 2]
    )
    np.testing.assert_array_equal(
        pixels[row::2, 1 - column :: 2, 1], values[row::2, 1 - column :: 2]
    )
    # Inside, a missing colour is the mean of those beside it.
    between = pixels[2 + row, 3 + column, 0] if column == 0 else pixels[2 + row, 2, 0]
    beside = values[2 + row, 2:5:2] if column == 0 else values[2 + row, 1:4:2]
    assert between == beside.astype(int).sum() // 2


@pytest.mark.parametrize("encoding", ["yuyv", "bayer_rggb8"])
def test_pixels_in_blocks_need_even_sizes(encoding):
    size = 7 * 5 * (2 if encoding == "yuyv" else 1)
    with pytest.raises(ValueError, match="blocks of 2"):
        RawPicture(encoding, 5, 7, size // 5, np.zeros(size, dtype=np.uint8))


def test_no_pixel_of_an_rgb8_message_is_copied():
    picture = raw(RGB)
    assert np.shares_memory(picture.pixels(), picture.content)


@pytest.mark.parametrize("compression", ["png", "bgr8; png compressed bgr8"])
def test_a_png_is_decoded_exactly(compression):
    np.testing.assert_array_equal(compressed(RGB, "PNG", compression).pixels(), RGB)


@pytest.mark.parametrize("compression", ["jpeg", "rgb8; jpeg compressed bgr8"])
def test_a_jpeg_keeps_its_colours(compression):
    red = np.zeros((16, 16, 3), dtype=np.uint8)
    red[..., 0] = 200
    pixels = compressed(red, "JPEG", compression, quality=95).pixels()
    assert np.abs(pixels.astype(int) - red).max() < 5


@pytest.mark.parametrize("encoding", ["mono8", "16UC1", "bayer_rggb16", "nv12", ""])
def test_another_encoding_is_refused_with_what_is_needed(encoding):
    with pytest.raises(ValueError, match=rf"'{encoding}'.*Valid: .*bgr8.*camera driver"):
        raw(RGB, encoding)


@pytest.mark.parametrize("change", [{"height_px": 6}, {"width_px": 9}, {"height_px": 0}])
def test_sizes_that_contradict_the_data_are_refused(change):
    sizes = {"height_px": 5, "width_px": 7} | change
    with pytest.raises(ValueError, match="105 bytes"):
        RawPicture("rgb8", step=21, content=RGB.reshape(-1), **sizes)


@pytest.mark.parametrize("compression", ["16UC1; compressedDepth png", "theora", ""])
def test_another_compression_is_refused(compression):
    with pytest.raises(ValueError, match="needs a JPEG or PNG"):
        CompressedPicture(compression, np.zeros(4, dtype=np.uint8))


@given(st.binary(max_size=200), st.integers(0, 120))
def test_broken_files_give_a_sentence_and_nothing_else(junk, kept):
    whole = compressed(RGB, "PNG", "png").content.tobytes()
    for content in (junk, whole[:kept], whole[:kept] + junk):
        picture = CompressedPicture("png", np.frombuffer(bytearray(content), dtype=np.uint8))
        try:
            assert picture.pixels().shape[2] == 3
        except ValueError as error:
            assert "cannot be decoded" in str(error)


@pytest.mark.parametrize("size", [(480, 640), (720, 1280), (640, 480), (333, 517), (100, 100)])
def test_capped_to_the_servers_size_the_server_gets_the_pixels_it_would_have_made(size):
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    small = capped(pixels, 224)
    assert max(small.shape) <= 224
    np.testing.assert_array_equal(
        resize_with_pad(small, 224, 224), resize_with_pad(pixels, 224, 224)
    )


@given(st.integers(1, 300), st.integers(1, 300), st.integers(32, 100))
def test_a_capped_picture_has_pixels_and_fits(height, width, longest):
    shape = capped(np.zeros((height, width, 3), dtype=np.uint8), longest).shape
    assert min(shape) >= 1
    assert max(shape[:2]) <= max(longest, 1)


def test_black_is_dark_and_even_not_a_dark_room_with_a_lamp_nor_a_grey_wall():
    rng = np.random.default_rng(2)
    noise = rng.normal(3.0, 1.5, (48, 64, 3)).clip(0, 255).astype(np.uint8)
    lamp = noise.copy()
    lamp[8:24, 8:24] = 250
    wall = np.full_like(noise, 90)
    assert [is_black(p, 8.0) for p in (noise, lamp, wall)] == [True, False, False]
    assert not is_black(noise, 0.0)
