"""A video service as a user would write it: OpenCV's VideoCapture and ONNX Runtime, a thread for each camera.

Usage: service.py faces|opencv-faces|people MODEL RATE SECONDS URL...
Prints one JSON object: how many frames of each camera were analysed a second, after it has run for a while.
(`make bench` calls it.)
"""

import json
import os
import sys
import threading
import time

os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_transport;tcp"

import cv2
import onnxruntime

#: As gatehouse: 640 pixels across for faces, 768 for people; a 16:9 picture's other side is the next multiple of 32.
SIZES = {"faces": (640, 384), "opencv-faces": (640, 360), "people": (768, 448)}
#: Connecting takes a while, as does a model's first run.
WARM_UP = 10


def onnxruntime_on(session, task):
    """ONNX Runtime, one session for all cameras."""
    size, name = SIZES[task], session.get_inputs()[0].name
    means = {"faces": (0, 0, 0), "people": (103.53, 116.28, 123.675)}[task]

    def analyse(frame):
        session.run(None, {name: cv2.dnn.blobFromImage(cv2.resize(frame, size), mean=means)})

    return analyse


def opencv_on(model, task):
    """OpenCV's own detector, one for each camera."""
    detector = cv2.FaceDetectorYN.create(model, "", SIZES[task], 0.7)
    return lambda frame: detector.detect(cv2.resize(frame, SIZES[task]))


class Camera(threading.Thread):
    def __init__(self, url, analyse, rate):
        super().__init__(daemon=True)
        self.url, self.analyse, self.rate = url, analyse, rate
        self.analysed = 0

    def run(self):
        capture = cv2.VideoCapture(self.url, cv2.CAP_FFMPEG)
        due = time.monotonic()
        while capture.grab():
            now = time.monotonic()
            if now < due:
                continue
            due = max(due + 1 / self.rate, now - 1 / self.rate)
            decoded, frame = capture.retrieve()
            if decoded:
                self.analyse(frame)
                self.analysed += 1


def main():
    task, model, rate, seconds, urls = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), sys.argv[5:]
    if task == "opencv-faces":
        analysers = [opencv_on(model, task) for _ in urls]
    else:
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        analysers = [onnxruntime_on(session, task)] * len(urls)
    cameras = [Camera(url, analyse, rate) for url, analyse in zip(urls, analysers, strict=True)]
    for camera in cameras:
        camera.start()
    time.sleep(WARM_UP)
    before, start = [camera.analysed for camera in cameras], time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - start
    rates = [(camera.analysed - was) / elapsed for camera, was in zip(cameras, before, strict=True)]
    print(json.dumps({"rates": rates, "opencv": cv2.__version__, "onnxruntime": onnxruntime.__version__}))
    sys.stdout.flush()
    # The captures are in the middle of reading: there is nothing to be tidied up.
    os._exit(0)


if __name__ == "__main__":
    main()
