"""Packaging of tmrl_ros for colcon."""

from setuptools import setup

setup(
    name="tmrl_ros",
    version="0.2.0",
    packages=["tmrl_ros"],
    package_data={"tmrl_ros": ["loopback.xml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/tmrl_ros"]),
        ("share/tmrl_ros", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=True,
    maintainer="TMRL stack maintainers",
    maintainer_email="maintainers@tmrl-stack.org",
    description="What every node of the TMRL stack shares",
    license="Apache-2.0",
)
