// The CUDA kernel as a C++ function that loops over blocks and threads.
struct Index {
  int x, y, z;
};
static Index blockIdx, blockDim, threadIdx;
#define __global__

#include "sweeps.cu"

extern "C" void launch_sweep_plane(int rows, int columns, float* distance, const float* image,
                                   long long size, long long first, long long per_row,
                                   long long per_column, const long long* sources,
                                   const float* lengths, int* fell, int channels, int cost,
                                   float lambda) {
  blockDim = {1, 1, 1};
  for (blockIdx.y = 0; blockIdx.y < rows; ++blockIdx.y)
    for (blockIdx.x = 0; blockIdx.x < columns; ++blockIdx.x)
      sweep_plane(distance, image, size, first, per_row, per_column, sources, lengths, fell,
                  channels, rows, columns, cost, lambda);
}
