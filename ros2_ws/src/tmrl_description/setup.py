"""Packaging of tmrl_description for colcon."""

from glob import glob

from setuptools import setup

setup(
    name="tmrl_description",
    version="0.2.0",
    packages=["tmrl_description"],
    package_data={"tmrl_description": ["py.typed", "urdf/*.urdf"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/tmrl_description"]),
        ("share/tmrl_description", ["package.xml"]),
        ("share/tmrl_description/urdf", glob("tmrl_description/urdf/*.urdf")),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    maintainer="TMRL stack maintainers",
    maintainer_email="maintainers@tmrl-stack.org",
    description="URDF of the arms: links, joints and limits, simple shapes",
    license="Apache-2.0",
)
