"""Packaging of tmrl_camera for colcon."""

from setuptools import setup

setup(
    name="tmrl_camera",
    version="0.2.0",
    packages=["tmrl_camera"],
    package_data={"tmrl_camera": ["py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/tmrl_camera"]),
        ("share/tmrl_camera", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=True,
    maintainer="TMRL stack maintainers",
    maintainer_email="maintainers@tmrl-stack.org",
    description="Publishes the pictures of one RealSense camera, and gets it back when it is lost",
    license="Apache-2.0",
    entry_points={"console_scripts": ["camera = tmrl_camera.node:main"]},
)
