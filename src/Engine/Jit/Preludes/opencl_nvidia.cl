/* NVIDIA's OpenCL compiler takes PTX between its lines: tensor cores without CUDA. */
#define MARROW_MATRIX_UNITS 1
/* A pointer to local memory is the address in the shared window that ldmatrix wants. */
#define SHARED_ADDRESS(p) ((uint)(size_t)(p))
