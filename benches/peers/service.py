"""Runs a video service as a user would write it in Python, with one thread per camera.

KIND is one of:

    opencv       OpenCV's VideoCapture and ONNX Runtime
    opencv-own   OpenCV's VideoCapture and OpenCV's FaceDetectorYN
    gstreamer    ONNX Runtime after a GStreamer pipeline that drops, scales and converts frames

Usage: service.py KIND faces|people MODEL RATE SECONDS URL...

Prints one JSON object after a warm-up: the frames analysed per second for each camera, and the 99th
percentile of lateness. A frame's lateness is measured against the camera's promptest frame.
`make bench` calls this script.
"""

import fractions
import json
import os
import sys
import threading
import time

os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_transport;tcp"

import cv2
import gi
import numpy
import onnxruntime

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import Gst, GstApp  # noqa: E402, F401 - GstApp gives the appsink its methods

#: As in gatehouse: 640 pixels wide for faces, 768 for people. A 16:9 picture's height is rounded up
#: to a multiple of 32.
SIZES = {"faces": (640, 384), "people": (768, 448)}
MEANS = {"faces": (0, 0, 0), "people": (103.53, 116.28, 123.675)}
#: FaceDetectorYN itself pads to a multiple of 32.
OPENCV_SIZE = (640, 360)
#: Seconds for connecting and for the first runs of the model.
WARM_UP_S = 8


def with_onnxruntime(model, task):
    """Returns a detector that runs in ONNX Runtime, with one session for all cameras."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda frame: session.run(None, {name: cv2.dnn.blobFromImage(frame, mean=MEANS[task])})


def with_opencv(model):
    """Returns OpenCV's FaceDetectorYN; each camera has its own."""
    return cv2.FaceDetectorYN.create(model, "", OPENCV_SIZE, 0.7).detect


def from_opencv(url, size, rate):
    """Yields the due frames of a camera, each with its stream time in seconds."""
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
    due = time.monotonic()
    while capture.grab():
        now = time.monotonic()
        if now < due:
            continue
        due = max(due + 1 / rate, now - 1 / rate)
        decoded, frame = capture.retrieve()
        if decoded:
            yield cv2.resize(frame, size), capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3


def from_gstreamer(url, size, rate):
    """As `from_opencv`, by GStreamer."""
    width, height = size
    fps = fractions.Fraction(rate).limit_denominator(100)
    pipeline = Gst.parse_launch(
        f"rtspsrc location={url} protocols=tcp latency=100 ! rtph264depay ! h264parse ! avdec_h264 max-threads=1 "
        f"! videorate drop-only=true ! video/x-raw,framerate={fps.numerator}/{fps.denominator} "
        f"! videoscale ! videoconvert ! video/x-raw,format=BGR,width={width},height={height} "
        "! appsink name=sink sync=false max-buffers=1 drop=true"
    )
    sink = pipeline.get_by_name("sink")
    pipeline.set_state(Gst.State.PLAYING)
    while sample := sink.pull_sample():
        mapped, memory = sample.get_buffer().map(Gst.MapFlags.READ)
        if mapped:
            yield numpy.frombuffer(memory.data, numpy.uint8).reshape(height, width, 3), sample.get_buffer().pts / 1e9
            sample.get_buffer().unmap(memory)


def exit_on_lost_camera(failure):
    """Ends the process: a service that has lost a camera is not measured."""
    sys.excepthook(failure.exc_type, failure.exc_value, failure.exc_traceback)
    os._exit(1)


class Camera(threading.Thread):
    def __init__(self, frames, analyse):
        super().__init__(daemon=True)
        self.frames, self.analyse = frames, analyse
        #: Seconds from each frame's stream time, which has any origin, to the end of its analysis.
        self.ages = []

    def run(self):
        for frame, time_in_stream in self.frames:
            self.analyse(frame)
            self.ages.append(time.monotonic() - time_in_stream)
        raise RuntimeError("the stream of a camera has ended")


def main():
    kind, task, model, rate, seconds, urls = *sys.argv[1:4], float(sys.argv[4]), float(sys.argv[5]), sys.argv[6:]
    Gst.init(None)
    threading.excepthook = exit_on_lost_camera
    open_frames = from_gstreamer if kind == "gstreamer" else from_opencv
    if kind == "opencv-own":
        cameras = [Camera(open_frames(url, OPENCV_SIZE, rate), with_opencv(model)) for url in urls]
    else:
        analyse = with_onnxruntime(model, task)
        cameras = [Camera(open_frames(url, SIZES[task], rate), analyse) for url in urls]
    for camera in cameras:
        camera.start()
    time.sleep(WARM_UP_S)
    before, start = [len(camera.ages) for camera in cameras], time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - start
    ages = [list(camera.ages) for camera in cameras]
    rates = [(len(all_ages) - was) / elapsed for all_ages, was in zip(ages, before, strict=True)]
    late = [age - min(all_ages) for all_ages, was in zip(ages, before, strict=True) for age in all_ages[was:]]
    late_ms = 1e3 * float(numpy.percentile(late, 99)) if late else None
    versions = {"opencv": cv2.__version__, "onnxruntime": onnxruntime.__version__}
    print(json.dumps({"rates": rates, "late_ms": late_ms, **versions}))
    sys.stdout.flush()
    # The captures still read; exit without waiting for them.
    os._exit(0)


if __name__ == "__main__":
    main()
