"""Packaging of tmrl_recorder for colcon."""

from setuptools import setup

setup(
    name="tmrl_recorder",
    version="0.2.0",
    packages=["tmrl_recorder"],
    package_data={"tmrl_recorder": ["py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/tmrl_recorder"]),
        ("share/tmrl_recorder", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=True,
    maintainer="TMRL stack maintainers",
    maintainer_email="maintainers@tmrl-stack.org",
    description="Records the topics of a robot, one MCAP file for each episode",
    license="Apache-2.0",
    entry_points={"console_scripts": ["recorder = tmrl_recorder.node:main"]},
)
