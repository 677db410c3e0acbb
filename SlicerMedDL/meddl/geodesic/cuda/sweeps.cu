// The kernel of sweeps_cuda.py: one plane of a sweep, a thread for each of its voxels.
#include "steps.h"

// Lowers the distances of voxels first + row * per_row + column * per_column by steps from the plane
// before; sets *fell where one falls.
extern "C" __global__ void sweep_plane(float* distance, const float* image, long long size,
                                       long long first, long long per_row, long long per_column,
                                       const long long* sources, const float* lengths, int* fell,
                                       int channels, int rows, int columns, int cost,
                                       float lambda) {
  const int column = blockIdx.x * blockDim.x + threadIdx.x;
  const int row = blockIdx.y * blockDim.y + threadIdx.y;
  if (column >= columns || row >= rows) return;
  const long long here = first + row * per_row + column * per_column;
  const float best = meddl::nearest(distance, image, channels, size, here, sources, lengths, cost,
                                    lambda);
  if (best < distance[here]) {
    distance[here] = best;
    *fell = 1;
  }
}
