// The step costs of meddl/geodesic/steps.py, for CUDA devices and for CPUs alike: the operations of
// simd_steps.py in its order, so that no bit differs (compile without contraction to FMA).
#pragma once

#include <math.h>

#ifdef __CUDACC__
#define MEDDL_SHARED __host__ __device__ inline
#else
#define MEDDL_SHARED inline
#endif

namespace meddl {

enum Cost { product, geodistk, fastgeodis };

// |dI|2, or sum|dI| for fastgeodis, of two voxels of an image (channels, size).
MEDDL_SHARED float difference(int cost, const float* image, int channels, long long size,
                              long long here, long long there) {
  if (channels == 1) return fabsf(image[here] - image[there]);
  float total = 0.0f;
  for (int channel = 0; channel < channels; ++channel) {
    const float part = image[channel * size + here] - image[channel * size + there];
    total += cost == fastgeodis ? fabsf(part) : part * part;
  }
  return cost == fastgeodis ? total : sqrtf(total);
}

// The cost of a step, of scaled length and difference.
MEDDL_SHARED float step(int cost, float lambda, float length, float difference) {
  if (cost == fastgeodis) return length + difference;
  if (cost == product) return length * difference;
  return length / ((1.0f - lambda) + lambda / (difference + 1e-5f));
}

// The distance of a voxel by a step from one of the nine at `sources`, or its own if none is nearer.
MEDDL_SHARED float nearest(const float* distance, const float* image, int channels, long long size,
                           long long here, const long long* sources, const float* lengths, int cost,
                           float lambda) {
  float best = distance[here];
  for (int n = 0; n < 9; ++n) {
    const long long there = here + sources[n];
    const float apart = difference(cost, image, channels, size, here, there);
    const float reached = distance[there] + step(cost, lambda, lengths[n], apart);
    if (reached < best) best = reached;  // false for the padding, which is NaN
  }
  return best;
}

}  // namespace meddl
