"""Packaging of tmrl_bringup for colcon."""

from glob import glob

from setuptools import find_packages, setup

setup(
    name="tmrl_bringup",
    version="0.2.0",
    packages=find_packages(include=["tmrl_bringup", "tmrl_bringup.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/tmrl_bringup"]),
        ("share/tmrl_bringup", ["package.xml"]),
        ("share/tmrl_bringup/launch", glob("*.launch.py")),
        ("share/tmrl_bringup/config", glob("config/*.yaml")),
        ("share/tmrl_bringup/view", glob("view/*")),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    maintainer="TMRL stack maintainers",
    maintainer_email="maintainers@tmrl-stack.org",
    description="Launch files, rig configurations, and the supervisor of their processes",
    license="Apache-2.0",
)
