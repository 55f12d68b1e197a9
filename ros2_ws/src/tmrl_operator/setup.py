"""Packaging of tmrl_operator for colcon."""

from setuptools import setup

setup(
    name="tmrl_operator",
    version="0.2.0",
    packages=["tmrl_operator"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/tmrl_operator"]),
        ("share/tmrl_operator", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=True,
    maintainer="TMRL stack maintainers",
    maintainer_email="maintainers@tmrl-stack.org",
    description="Episode state machine and its services",
    license="Apache-2.0",
    entry_points={"console_scripts": ["operator = tmrl_operator.node:main"]},
)
