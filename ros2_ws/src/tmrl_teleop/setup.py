"""Packaging of tmrl_teleop for colcon."""

from glob import glob

from setuptools import setup

setup(
    name="tmrl_teleop",
    version="0.2.0",
    packages=["tmrl_teleop"],
    package_data={"tmrl_teleop": ["py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/tmrl_teleop"]),
        ("share/tmrl_teleop", ["package.xml"]),
        ("share/tmrl_teleop/devices", glob("devices/*.yaml")),
        ("share/tmrl_teleop/udev", glob("udev/*.rules")),
    ],
    install_requires=["setuptools"],
    zip_safe=True,
    maintainer="TMRL stack maintainers",
    maintainer_email="maintainers@tmrl-stack.org",
    description="Lets a person take the arm over with a SpaceMouse, a gamepad or any joystick",
    license="Apache-2.0",
    entry_points={"console_scripts": ["teleop = tmrl_teleop.node:main"]},
)
