# The bindings are compiled and come without types; described is what this repository uses.
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float64]
_Indices = NDArray[np.int32]

class _Named:
    id: int
    name: str

class _NamedJoint(_Named):
    qposadr: _Indices
    dofadr: _Indices
    range: _Array

class _NamedPlace(_Named):
    bodyid: _Indices
    pos: _Array
    quat: _Array

class _NamedCamera(_NamedPlace):
    fovy: _Array

class _Option:
    timestep: float

class _Quality:
    shadowsize: int
    offsamples: int
    numslices: int
    numstacks: int

class _Visual:
    quality: _Quality

class MjModel:
    nq: int
    nv: int
    na: int
    ngeom: int
    body_pos: _Array
    geom_bodyid: NDArray[np.int32]
    geom_contype: NDArray[np.int32]
    geom_conaffinity: NDArray[np.int32]
    geom_rgba: NDArray[np.float32]
    opt: _Option
    vis: _Visual
    @staticmethod
    def from_xml_path(filename: str) -> MjModel: ...
    @staticmethod
    def from_xml_string(xml: str, assets: dict[str, bytes] = ...) -> MjModel: ...
    def joint(self, name: str) -> _NamedJoint: ...
    def site(self, name: str) -> _NamedPlace: ...
    def camera(self, name: str) -> _NamedCamera: ...
    def body(self, name: int | str) -> _Named: ...

class MjData:
    time: float
    qpos: _Array
    qvel: _Array
    act: _Array
    ctrl: _Array
    site_xpos: _Array
    site_xmat: _Array
    cam_xpos: _Array
    cam_xmat: _Array
    def __init__(self, model: MjModel) -> None: ...

class MjrRect:
    width: int
    height: int
    def __init__(self, left: int, bottom: int, width: int, height: int) -> None: ...

class MjrContext:
    def __init__(self, model: MjModel, fontscale: int) -> None: ...
    def free(self) -> None: ...

class MjvScene:
    flags: NDArray[np.uint8]
    def __init__(self, model: MjModel, maxgeom: int) -> None: ...

class MjvOption: ...

class MjvCamera:
    type: int
    fixedcamid: int

class mjtCamera(IntEnum):
    mjCAMERA_FIXED = ...

class mjtCatBit(IntEnum):
    mjCAT_ALL = ...

class mjtFontScale(IntEnum):
    mjFONTSCALE_100 = ...

class mjtFramebuffer(IntEnum):
    mjFB_OFFSCREEN = ...

class mjtRndFlag(IntEnum):
    mjRND_SHADOW = ...
    mjRND_REFLECTION = ...

def mj_comPos(m: MjModel, d: MjData) -> None: ...
def mj_forward(m: MjModel, d: MjData) -> None: ...
def mj_jacSite(
    m: MjModel, d: MjData, jacp: _Array | None, jacr: _Array | None, site: int
) -> None: ...
def mj_kinematics(m: MjModel, d: MjData) -> None: ...
def mj_resetData(m: MjModel, d: MjData) -> None: ...
def mj_step(m: MjModel, d: MjData, nstep: int = 1) -> None: ...
def mjr_readPixels(
    rgb: NDArray[np.uint8] | None,
    depth: NDArray[np.float32] | None,
    viewport: MjrRect,
    con: MjrContext,
) -> None: ...
def mjr_render(viewport: MjrRect, scn: MjvScene, con: MjrContext) -> None: ...
def mjr_resizeOffscreen(width: int, height: int, con: MjrContext) -> None: ...
def mjr_setBuffer(framebuffer: int, con: MjrContext) -> None: ...
def mju_axisAngle2Quat(res: _Array, axis: _Array, angle: float) -> None: ...
def mju_mat2Quat(quat: _Array, mat: _Array) -> None: ...
def mju_mulQuat(res: _Array, quat1: _Array, quat2: _Array) -> None: ...
def mju_negQuat(res: _Array, quat: _Array) -> None: ...
def mju_rotVecQuat(res: _Array, vec: _Array, quat: _Array) -> None: ...
def mju_quat2Vel(res: _Array, quat: _Array, dt: float) -> None: ...
def mjv_updateScene(
    m: MjModel,
    d: MjData,
    opt: MjvOption,
    pert: None,
    cam: MjvCamera,
    catmask: int,
    scn: MjvScene,
) -> None: ...
