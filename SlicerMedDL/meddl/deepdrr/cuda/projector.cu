// Kernels of projector_cuda.py. One thread is one pixel; 16 x 16 pixels are a block, so that the
// rays of a warp stay neighbours and share the texture cache.
#include "ray.h"

namespace {

// Voxels out of a texture that filters by itself: linear, clamped, one fetch for all components.
// The unit rounds places in a cell to 1/256 (CUDA C++ Programming Guide, "Texture Fetching").
template <int N>
struct Texture;

template <>
struct Texture<1> {
  cudaTextureObject_t handle;
  int first_slice;
  __device__ meddl::Voxel<1> operator()(const int cell[3], const float at[3]) const {
    return {{tex3D<float>(handle, cell[0] + at[0] + 0.5f, cell[1] + at[1] + 0.5f,
                          cell[2] - first_slice + at[2] + 0.5f)}};
  }
};

template <>
struct Texture<2> {
  cudaTextureObject_t handle;
  int first_slice;
  __device__ meddl::Voxel<2> operator()(const int cell[3], const float at[3]) const {
    const float2 v = tex3D<float2>(handle, cell[0] + at[0] + 0.5f, cell[1] + at[1] + 0.5f,
                                   cell[2] - first_slice + at[2] + 0.5f);
    return {{v.x, v.y}};
  }
};

template <>
struct Texture<4> {
  cudaTextureObject_t handle;
  int first_slice;
  __device__ meddl::Voxel<4> operator()(const int cell[3], const float at[3]) const {
    const float4 v = tex3D<float4>(handle, cell[0] + at[0] + 0.5f, cell[1] + at[1] + 0.5f,
                                   cell[2] - first_slice + at[2] + 0.5f);
    return {{v.x, v.y, v.z, v.w}};
  }
};

template <int N>
__device__ void project(const meddl::Rays& rays, const Texture<N>& texture, int row_start,
                        int row_stop, int width, int components, int first, int count,
                        float* picture) {
  const int column = blockIdx.x * blockDim.x + threadIdx.x;
  const int row = row_start + blockIdx.y * blockDim.y + threadIdx.y;
  if (column >= width || row >= row_stop) return;
  float total[N];
  meddl::integrate<N>(rays, column, row, texture, total);
  float* pixel = picture + (size_t(row) * width + column) * components + first;
  for (int n = 0; n < N; ++n) {
    if (n < count) pixel[n] += total[n];
  }
}

}  // namespace

// Adds the integrals over one slab to components first .. first + count - 1 of the picture
// (H, W, components), rows row_start .. row_stop - 1. The slab's texture begins at slice
// first_slice of the volume.
#define MEDDL_PROJECT(N)                                                                         \
  extern "C" __global__ void project_##N(                                                        \
      meddl::Rays rays, cudaTextureObject_t texture, float* picture, int first_slice,            \
      int row_start, int row_stop, int width, int components, int first, int count) {            \
    project<N>(rays, Texture<N>{texture, first_slice}, row_start, row_stop, width, components,   \
               first, count, picture);                                                           \
  }

MEDDL_PROJECT(1)
MEDDL_PROJECT(2)
MEDDL_PROJECT(4)

// paths (pixels, materials) to sums (rows, pixels) of up to four rows of weights (rows, energies);
// coefficients (materials, energies).
extern "C" __global__ void transmit(const float* paths, const float* coefficients,
                                    const float* weights, float* sums, int pixels, int materials,
                                    int energies, int rows) {
  const int pixel = blockIdx.x * blockDim.x + threadIdx.x;
  if (pixel >= pixels) return;
  float sum[4];
  meddl::beer_lambert(paths + size_t(pixel) * materials, materials, coefficients, weights,
                      energies, rows, sum);
  for (int r = 0; r < rows; ++r) sums[size_t(r) * pixels + pixel] = sum[r];
}
