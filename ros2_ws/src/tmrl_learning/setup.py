"""Packaging of tmrl_learning for colcon."""

from setuptools import setup

setup(
    name="tmrl_learning",
    version="0.2.0",
    packages=["tmrl_learning"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/tmrl_learning"]),
        ("share/tmrl_learning", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=True,
    maintainer="TMRL stack maintainers",
    maintainer_email="maintainers@tmrl-stack.org",
    description="ROS shell of the TMRL learner",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "learning = tmrl_learning.node:main",
            "uplink = tmrl_learning.uplink_node:main",
        ]
    },
)
