"""A picture file and its camera, as a Frame: the command line's counterpart of two messages.

Reading and intrinsics are ``image_io``'s; here they meet the command's options.
"""

from depthlm_ros.cli.console import note


def choice_of(options):
    """Return what the options say of the camera, as a CameraChoice."""
    from depthlm_ros.image_io.photo_camera import CameraChoice

    given = {name: getattr(options, name, None) for name in CameraChoice.__dataclass_fields__}
    return CameraChoice(**{name: value for name, value in given.items() if value is not None})


def frame_of(path, options):
    """Return (Frame, Rectifier, Photograph) of a picture file and the camera options.

    What was done to the picture or assumed of its camera is told on standard error.
    """
    from depthlm_ros.frame import Frame
    from depthlm_ros.image_io.photo_camera import open_photograph

    photo = open_photograph(path, choice_of(options))
    for remark in photo.remarks:
        note(f"{path}: {remark}")
    rectifier = photo.rectifier(options.rectified)
    rgb = photo.picture.rgb
    frame = Frame(rectifier.rectify(rgb), rectifier.camera, valid=rectifier.valid)
    return frame, rectifier, photo
