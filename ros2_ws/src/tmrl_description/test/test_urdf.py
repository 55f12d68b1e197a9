"""Descriptions are found by name or by path, and what is none is refused with a sentence."""

from xml.etree import ElementTree

import pytest

from tmrl_common.errors import ConfigError
from tmrl_description.urdf import read_urdf, shipped


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_description_is_a_tree_from_base_to_tool(name):
    root = ElementTree.fromstring(read_urdf(name))
    assert root.get("name") == name
    links = [link.get("name") for link in root.findall("link")]
    children = [joint.find("child").get("link") for joint in root.findall("joint")]
    parents = [joint.find("parent").get("link") for joint in root.findall("joint")]
    assert len(set(links)) == len(links)
    assert sorted({*links} - {*children}) == ["base"], "the one root"
    assert len(set(children)) == len(children)
    assert {*children} | {*parents} <= {*links}
    assert "tool_link" in {*links} - {*parents}
    materials = {material.get("name") for material in root.findall("material")}
    assert {used.get("name") for used in root.iterfind(".//visual/material")} <= materials
    assert root.find(".//mesh") is None, "shapes only: no file needs to be found"


def test_a_labs_own_file_is_found_by_its_path(tmp_path):
    file = tmp_path / "mine.urdf"
    file.write_text('<robot name="mine"><link name="base"/></robot>')
    assert read_urdf(str(file)) == file.read_text()


def test_none_is_none():
    assert read_urdf("") == ""


@pytest.mark.parametrize(
    ("wanted", "content", "said"),
    [
        ("widowx_205", None, "did you mean 'widowx_250'? Valid: franka_fr3"),
        ("gone.urdf", None, "gone.urdf cannot be read"),
        ("broken.urdf", "<robot", "broken.urdf cannot be read"),
        ("scene.urdf", "<sdf/>", "holds <sdf>, not a <robot> with links: expand xacro"),
        ("empty.urdf", '<robot name="x"/>', "not a <robot> with links"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_a_remedy(tmp_path, wanted, content, said):
    if content is not None:
        (tmp_path / wanted).write_text(content)
    path = str(tmp_path / wanted) if wanted.endswith(".urdf") else wanted
    with pytest.raises(ConfigError) as refused:
        read_urdf(path)
    assert said in str(refused.value)
