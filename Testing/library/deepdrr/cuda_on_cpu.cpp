// The CUDA kernels compiled for a CPU: a loop in the place of the grid, tex3D by its definition.
// bits > 0 rounds places within a cell to 2^-bits, as texture units do (8); 0 interpolates exactly.
#include <cmath>
#include <cstddef>
#include <cstdint>

#define __global__
#define __device__
struct float2 { float x, y; };
struct float4 { float x, y, z, w; };
struct Index { int x, y, z; };
static thread_local Index blockIdx, blockDim, threadIdx;

struct CpuTexture {
  const float* voxels;  // (depth, height, width, channels)
  int depth, height, width, channels, bits;
};
using cudaTextureObject_t = std::uint64_t;

template <class Value>
Value tex3D(cudaTextureObject_t handle, float x, float y, float z) {
  const CpuTexture& t = *reinterpret_cast<const CpuTexture*>(handle);
  const float at[3] = {x - 0.5f, y - 0.5f, z - 0.5f};
  const int size[3] = {t.width, t.height, t.depth};
  int near[3], far[3];
  float part[3];
  for (int axis = 0; axis < 3; ++axis) {
    const float whole = std::floor(at[axis]);
    const int last = size[axis] - 1, cell = int(whole);
    near[axis] = cell < 0 ? 0 : cell > last ? last : cell;
    far[axis] = cell + 1 < 0 ? 0 : cell + 1 > last ? last : cell + 1;
    part[axis] = at[axis] - whole;
    if (t.bits) part[axis] = std::ldexp(std::nearbyint(std::ldexp(part[axis], t.bits)), -t.bits);
  }
  Value value{};
  float* component = reinterpret_cast<float*>(&value);
  for (int corner = 0; corner < 8; ++corner) {
    const float weight = (corner & 1 ? part[0] : 1 - part[0]) *
                         (corner & 2 ? part[1] : 1 - part[1]) *
                         (corner & 4 ? part[2] : 1 - part[2]);
    const std::size_t i = corner & 1 ? far[0] : near[0], j = corner & 2 ? far[1] : near[1],
                      k = corner & 4 ? far[2] : near[2];
    const float* voxel = t.voxels + ((k * t.height + j) * t.width + i) * t.channels;
    for (int c = 0; c < t.channels; ++c) component[c] += weight * voxel[c];
  }
  return value;
}

#include "projector.cu"

template <class Kernel, class... Arguments>
static void run(Kernel kernel, const int blocks[2], const int threads[2], Arguments... arguments) {
  blockDim = {threads[0], threads[1], 1};
  for (int by = 0; by < blocks[1]; ++by)
    for (int bx = 0; bx < blocks[0]; ++bx)
      for (int ty = 0; ty < threads[1]; ++ty)
        for (int tx = 0; tx < threads[0]; ++tx) {
          blockIdx = {bx, by, 0};
          threadIdx = {tx, ty, 0};
          kernel(arguments...);
        }
}

#define LAUNCH_PROJECT(N)                                                                        \
  extern "C" void launch_project_##N(const int* blocks, const int* threads,                      \
                                     const meddl::Rays* rays, std::uint64_t texture,             \
                                     float* picture, int a, int b, int c, int d, int e, int f,   \
                                     int g) {                                                    \
    run(project_##N, blocks, threads, *rays, texture, picture, a, b, c, d, e, f, g);             \
  }

LAUNCH_PROJECT(1)
LAUNCH_PROJECT(2)
LAUNCH_PROJECT(4)

extern "C" void launch_transmit(const int* blocks, const int* threads, const float* paths,
                                const float* coefficients, const float* weights, float* sums,
                                int a, int b, int c, int d) {
  run(transmit, blocks, threads, paths, coefficients, weights, sums, a, b, c, d);
}

#include "transport.cu"

extern "C" void launch_run_histories(const int* blocks, const int*, const Scene* scene,
                                     std::uint64_t first, std::uint64_t count, double* pictures,
                                     double* tallies) {
  const std::int64_t values = (4 + scene->groups) * scene->rows * scene->columns;
  for (int part = 0; part < blocks[1]; part++)
    run_histories_host(scene, first + part * count, count, pictures + part * values,
                       tallies + 4 * part);
}
