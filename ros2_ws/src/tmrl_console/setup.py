"""Packaging of tmrl_console for colcon."""

from setuptools import setup

setup(
    name="tmrl_console",
    version="0.2.0",
    packages=["tmrl_console"],
    package_data={"tmrl_console": ["static/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/tmrl_console"]),
        ("share/tmrl_console", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    maintainer="TMRL stack maintainers",
    maintainer_email="maintainers@tmrl-stack.org",
    description="The page from which a person runs a session beside the arm",
    license="Apache-2.0",
    entry_points={"console_scripts": ["console = tmrl_console.node:main"]},
)
