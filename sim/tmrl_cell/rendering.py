"""Headless pictures of a MuJoCo state through EGL."""

import mujoco
import numpy as np
from numpy.typing import NDArray


class CameraRenderer:
    """Renders one picture size. Belongs to the thread that created it."""

    def __init__(self, model: mujoco.MjModel, height: int, width: int) -> None:
        """Opens an EGL context and uploads the model.

        Args:
            model: The scene; its visual quality settings decide about shadows and smoothing.
            height: Picture height [px].
            width: Picture width [px].
        """
        # Importing this module opens the EGL display; cells without pictures must not need one.
        from mujoco.egl import GLContext

        self._model = model
        self._viewport = mujoco.MjrRect(0, 0, width, height)
        self._gl = GLContext(width, height)
        self._gl.make_current()
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_resizeOffscreen(width, height, self._context)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 64)
        shadows = model.vis.quality.shadowsize > 0
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = shadows
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = shadows
        self._option = mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED

    def render(self, data: mujoco.MjData, camera: str) -> NDArray[np.uint8]:
        """Renders `data` as seen by `camera`.

        Returns:
            Shape (height, width, 3), RGB, uint8.
        """
        self._gl.make_current()
        self._camera.fixedcamid = self._model.camera(camera).id
        mujoco.mjv_updateScene(
            self._model,
            data,
            self._option,
            None,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL.value,
            self._scene,
        )
        mujoco.mjr_render(self._viewport, self._scene, self._context)
        pixels = np.empty((self._viewport.height, self._viewport.width, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(pixels, None, self._viewport, self._context)
        return np.ascontiguousarray(pixels[::-1])

    def close(self) -> None:
        """Releases the graphics memory and the EGL context."""
        self._gl.make_current()
        self._context.free()
        self._gl.free()
