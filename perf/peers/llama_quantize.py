"""Quantises a GGUF file with llama.cpp's own code, from node's package that the tests install, and prints the seconds it took.

usage: python3 llama_quantize.py FOLDER_OF_LIBLLAMA IN.gguf OUT.gguf FTYPE THREADS
"""
import ctypes
import glob
import os
import sys
import time

folder, source, target, ftype, threads = sys.argv[1:6]


class Params(ctypes.Structure):
    # llama.h begins its struct with the threads and the file type; the rest is left as the library fills it in.
    _fields_ = [("threads", ctypes.c_int32), ("ftype", ctypes.c_int32), ("rest", ctypes.c_uint8 * 1016)]


ggml = ctypes.CDLL(glob.glob(os.path.join(folder, "libggml.*so"))[0], mode=ctypes.RTLD_GLOBAL)
ggml.ggml_backend_load_all_from_path(folder.encode())
llama = ctypes.CDLL(glob.glob(os.path.join(folder, "libllama.*so"))[0])
llama.llama_model_quantize_default_params.restype = Params
llama.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Params)]
llama.llama_model_quantize.restype = ctypes.c_uint32
llama.llama_backend_init()
params = llama.llama_model_quantize_default_params()
params.threads, params.ftype = int(threads), int(ftype)
start = time.perf_counter()
status = llama.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params))
with open(target, "rb") as written:
    os.fsync(written.fileno())
print(f"{time.perf_counter() - start:.3f}")
sys.exit(status)
