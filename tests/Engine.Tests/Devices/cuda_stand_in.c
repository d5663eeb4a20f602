/* Stands in for NVIDIA's driver, NVRTC and cuBLASLt where there are none, by their documented prototypes, so that the host's side of CUDA can run:
   memory is the host's, calls finish at once, the one kernel that it knows is axpy, products are loops over column-major matrices. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef int CUresult;
typedef unsigned long long CUdeviceptr;
static __thread void* current;
static int context_, stream_, module_, function_;
static size_t taken, limit = 64u << 20;
static int failing;

#define NEEDS_CONTEXT if (!current) return 201
CUresult cuInit(unsigned flags) { return flags == 0 ? 0 : 1; }
CUresult cuDriverGetVersion(int* v) { *v = 12040; return 0; }
CUresult cuDeviceGetCount(int* n) { *n = 1; return 0; }
CUresult cuDeviceGet(int* d, int ordinal) { *d = ordinal; return ordinal == 0 ? 0 : 101; }
CUresult cuDeviceGetName(char* name, int len, int d) { strncpy(name, "Stand-in", len); return d; }
CUresult cuDeviceTotalMem_v2(size_t* bytes, int d) { *bytes = limit; return d; }
CUresult cuDeviceGetAttribute(int* v, int attribute, int d)
{
    switch (attribute)
    {
        case 1: *v = 1024; return d;
        case 8: *v = 49152; return d;
        case 16: *v = 3; return d;
        case 20: *v = 0; return d;
        case 75: *v = 8; return d;
        case 76: *v = 6; return d;
        default: return 1;
    }
}
CUresult cuDevicePrimaryCtxRetain(void** c, int d) { *c = &context_; return d; }
CUresult cuDevicePrimaryCtxRelease_v2(int d) { return d; }
CUresult cuCtxSetCurrent(void* c) { current = c; return 0; }
CUresult cuMemAlloc_v2(CUdeviceptr* p, size_t bytes)
{
    NEEDS_CONTEXT;
    if (taken + bytes > limit) return 2;
    size_t* block = aligned_alloc(256, (bytes + 511) / 256 * 256);
    *block = bytes;
    taken += bytes;
    *p = (CUdeviceptr)((char*)block + 256);
    return 0;
}
CUresult cuMemFree_v2(CUdeviceptr p)
{
    NEEDS_CONTEXT;
    size_t* block = (size_t*)((char*)p - 256);
    taken -= *block;
    free(block);
    return 0;
}
CUresult cuMemAllocHost_v2(void** p, size_t bytes) { NEEDS_CONTEXT; *p = malloc(bytes); return 0; }
CUresult cuMemFreeHost(void* p) { free(p); return 0; }
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t n, void* s) { NEEDS_CONTEXT; memcpy((void*)to, from, n); return s == &stream_ ? 0 : 400; }
CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t n, void* s) { NEEDS_CONTEXT; memcpy(to, (void*)from, n); return s == &stream_ ? 0 : 400; }
CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t n, void* s) { NEEDS_CONTEXT; memcpy((void*)to, (void*)from, n); return s == &stream_ ? 0 : 400; }
CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char v, size_t n, void* s) { NEEDS_CONTEXT; memset((void*)to, v, n); return s == &stream_ ? 0 : 400; }
CUresult cuStreamCreate(void** s, unsigned flags) { *s = &stream_; return flags == 1 ? 0 : 1; }
CUresult cuStreamDestroy_v2(void* s) { return s == &stream_ ? 0 : 400; }
CUresult cuStreamSynchronize(void* s) { return failing ? 700 : s == &stream_ ? 0 : 400; }
CUresult cuEventCreate(void** e, unsigned flags) { *e = malloc(1); return flags == 2 ? 0 : 1; }
CUresult cuEventRecord(void* e, void* s) { return e && s == &stream_ ? 0 : 400; }
CUresult cuEventQuery(void* e) { return e ? 600 : 400; }
CUresult cuEventSynchronize(void* e) { return e ? 0 : 400; }
CUresult cuEventDestroy_v2(void* e) { free(e); return 0; }
CUresult cuModuleLoadData(void** m, const void* image) { NEEDS_CONTEXT; *m = &module_; return strncmp(image, "code of ", 8) == 0 ? 0 : 200; }
CUresult cuModuleUnload(void* m) { return m == &module_ ? 0 : 400; }
CUresult cuModuleGetFunction(void** f, void* m, const char* name) { *f = &function_; return m == &module_ && strcmp(name, "axpy") == 0 ? 0 : 500; }
CUresult cuLaunchKernel(void* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void* s, void** args, void** extra)
{
    NEEDS_CONTEXT;
    if (f != &function_ || s != &stream_ || by != 1 || bz != 1 || shared != 0 || extra || gy > 65535 || gz > 65535) return 1;
    const float* x = *(const float**)args[0];
    const float* b = *(const float**)args[1];
    float* y = *(float**)args[2];
    float a = *(float*)args[3];
    int n = *(int*)args[4];
    if (n < 0) { failing = 1; return 0; }
    for (unsigned i = 0; i < gx * gy * gz * bx && i < (unsigned)n; i++)
        y[i] = a * x[i] + (b ? b[i] : 0.0f);
    return 0;
}
CUresult cuGetErrorName(int e, const char** name)
{
    *name = e == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS" : e == 500 ? "CUDA_ERROR_NOT_FOUND" : e == 1 ? "CUDA_ERROR_INVALID_VALUE" : e == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_UNKNOWN";
    return 0;
}

typedef struct { char source[65536]; char options[1024]; } program;
int nvrtcVersion(int* major, int* minor) { *major = 12; *minor = 4; return 0; }
const char* nvrtcGetErrorString(int e) { return e == 6 ? "NVRTC_ERROR_COMPILATION" : "NVRTC_ERROR"; }
int nvrtcGetNumSupportedArchs(int* n) { *n = 2; return 0; }
int nvrtcGetSupportedArchs(int* a) { a[0] = 80; a[1] = 86; return 0; }
int nvrtcCreateProgram(void** p, const char* source, const char* name, int headers, const char* const* h, const char* const* i)
{
    program* made = calloc(1, sizeof(program));
    strncpy(made->source, source, sizeof(made->source) - 1);
    *p = made;
    return name && headers == 0 && !h && !i ? 0 : 4;
}
int nvrtcDestroyProgram(void** p) { free(*p); *p = 0; return 0; }
int nvrtcCompileProgram(void* p, int n, const char* const* options)
{
    program* made = p;
    for (int i = 0; i < n; i++)
        strcat(strcat(made->options, options[i]), " ");
    return strstr(made->source, "wrong") ? 6 : 0;
}
static const char* log_text = "kernel.cu(3): error: identifier \"wrong\" is undefined";
int nvrtcGetProgramLogSize(void* p, size_t* n) { (void)p; *n = strlen(log_text) + 1; return 0; }
int nvrtcGetProgramLog(void* p, char* log) { (void)p; strcpy(log, log_text); return 0; }
int nvrtcGetCUBINSize(void* p, size_t* n) { *n = strlen(((program*)p)->options) + 9; return 0; }
int nvrtcGetCUBIN(void* p, char* code) { strcat(strcpy(code, "code of "), ((program*)p)->options); return 0; }
int nvrtcGetPTXSize(void* p, size_t* n) { return nvrtcGetCUBINSize(p, n); }
int nvrtcGetPTX(void* p, char* code) { return nvrtcGetCUBIN(p, code); }

typedef struct { uint64_t data[8]; } algorithm;
typedef struct { algorithm algo; size_t workspace; int state; float waves; int reserved[4]; } heuristic;
typedef struct { int type; uint64_t rows, columns; int64_t stride; } layout;
typedef struct { int compute, scale, a, b; } product;
typedef struct { uint64_t workspace; uint32_t align[4]; } preference;
int cublasLtCreate(void** h) { *h = &stream_; return current ? 0 : 1; }
int cublasLtDestroy(void* h) { (void)h; return 0; }
int cublasLtMatmulDescCreate(void** d, int compute, int scale) { product* p = calloc(1, sizeof(product)); p->compute = compute; p->scale = scale; *d = p; return 0; }
int cublasLtMatmulDescSetAttribute(void* d, int attribute, const void* v, size_t n)
{
    product* p = d;
    if (n != 4) return 7;
    if (attribute == 3) p->a = *(int*)v; else if (attribute == 4) p->b = *(int*)v; else return 7;
    return 0;
}
int cublasLtMatmulDescDestroy(void* d) { free(d); return 0; }
int cublasLtMatrixLayoutCreate(void** l, int type, uint64_t rows, uint64_t columns, int64_t stride) { layout* p = calloc(1, sizeof(layout)); *p = (layout){ type, rows, columns, stride }; *l = p; return stride >= (int64_t)rows ? 0 : 7; }
int cublasLtMatrixLayoutDestroy(void* l) { free(l); return 0; }
int cublasLtMatmulPreferenceCreate(void** p) { *p = calloc(1, sizeof(preference)); return 0; }
int cublasLtMatmulPreferenceSetAttribute(void* p, int attribute, const void* v, size_t n)
{
    preference* q = p;
    if (attribute == 1 && n == 8) q->workspace = *(uint64_t*)v;
    else if (attribute >= 5 && attribute <= 8 && n == 4) q->align[attribute - 5] = *(uint32_t*)v;
    else return 7;
    return 0;
}
int cublasLtMatmulPreferenceDestroy(void* p) { free(p); return 0; }
int cublasLtMatmulAlgoGetHeuristic(void* h, void* d, void* a, void* b, void* c, void* r, void* p, int wanted, heuristic* found, int* count)
{
    (void)h; (void)d; (void)r;
    preference* q = p;
    layout* x = a; layout* y = b; layout* z = c;
    *count = 0;
    if (wanted != 1 || x->type != y->type || (z->type != x->type && z->type != 0)) return 15;
    for (int i = 0; i < 4; i++)
        if (q->align[i] < 2) return 15;
    memset(found, 0, sizeof *found);
    found->algo.data[7] = 77;
    *count = 1;
    return 0;
}
static float at(const layout* l, const void* p, int64_t row, int64_t column)
{
    int64_t i = row + column * l->stride;
    if (l->type == 0) return ((const float*)p)[i];
    uint32_t bits = (uint32_t)((const uint16_t*)p)[i] << 16;
    float v;
    memcpy(&v, &bits, 4);
    return v;
}
int cublasLtMatmul(void* h, void* d, const void* alpha, const void* a, void* la, const void* b, void* lb, const void* beta, const void* c, void* lc, void* r, void* lr,
    const algorithm* algo, void* workspace, size_t bytes, void* s)
{
    product* p = d;
    layout* x = la; layout* y = lb; layout* z = lr;
    if (h != &stream_ || s != &stream_ || lc != lr || c != r || algo->data[7] != 77 || (bytes && !workspace) || p->scale != 0 || (p->compute != 68 && p->compute != 77)) return 7;
    uint64_t k = p->a ? x->rows : x->columns;
    if ((p->a ? x->columns : x->rows) != z->rows || (p->b ? y->rows : y->columns) != z->columns || (p->b ? y->columns : y->rows) != k) return 7;
    for (uint64_t j = 0; j < z->columns; j++)
        for (uint64_t i = 0; i < z->rows; i++)
        {
            float sum = 0;
            for (uint64_t q = 0; q < k; q++)
                sum += (p->a ? at(x, a, q, i) : at(x, a, i, q)) * (p->b ? at(y, b, j, q) : at(y, b, q, j));
            sum *= *(const float*)alpha;
            if (*(const float*)beta != 0)
                sum += *(const float*)beta * at(z, c, i, j);
            uint32_t bits;
            memcpy(&bits, &sum, 4);
            if (z->type == 0) ((float*)r)[i + j * z->stride] = sum;
            else ((uint16_t*)r)[i + j * z->stride] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
        }
    return 0;
}
