"""What stands in the place of a file that was not copied whole."""

_LFS = b"version https://git-lfs"
_WEB_PAGES = (b"<!doctype html", b"<html")


def stand_in(beginning: bytes) -> str:
    """What a file is instead of itself, with the remedy; empty where its beginning says nothing.

    Args:
        beginning: Its first bytes, 64 or more of them where there are as many.
    """
    if not beginning:
        return "empty; copy it again"
    if beginning.startswith(_LFS):
        return (
            "a pointer of git-lfs and not the file itself; run 'git lfs pull' in its repository, "
            "or download the file"
        )
    if beginning.lstrip().lower().startswith(_WEB_PAGES):
        return "a web page and not the file itself; download the file by its own link"
    return ""
