"""Packaging of tmrl_controller for colcon."""

from setuptools import setup

setup(
    name="tmrl_controller",
    version="0.2.0",
    packages=["tmrl_controller", "tmrl_controller.limiter", "tmrl_controller.testing"],
    package_data={"tmrl_controller": ["py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/tmrl_controller"]),
        ("share/tmrl_controller", ["package.xml"]),
    ],
    install_requires=["numpy", "setuptools"],
    zip_safe=True,
    maintainer="TMRL stack maintainers",
    maintainer_email="maintainers@tmrl-stack.org",
    description="Executes action chunks within the safety limits of a rig",
    license="Apache-2.0",
    entry_points={"console_scripts": ["controller = tmrl_controller.process:main"]},
)
