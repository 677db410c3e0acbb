// Line integral of a trilinear volume along one ray; C++11, for CUDA devices and for CPUs alike.
//
// The convention is projector.py's: between two neighbouring voxel-centre planes the interpolant
// is a cubic along the ray, which the two-point Gauss-Legendre rule integrates exactly; the volume
// ends at the outer faces of its voxels, and in the outermost half voxel the edge value holds.
//
// Rays are clipped in double. The walk itself is in float: the place inside a cell (0..1) is set
// anew at each plane, so that rounding does not grow with the length of the ray.
#pragma once

#include <math.h>

#ifdef __CUDACC__
#define MEDDL_SHARED __host__ __device__ inline
#else
#define MEDDL_SHARED inline
#endif

namespace meddl {

// The rays of one picture in ijk: the ray of pixel (u, v) is source + t (first + u per_column +
// v per_row), t >= 0. scale (3x3, row by row) turns ijk directions to mm. low, high: the box to
// integrate over. The host packs the same 27 doubles.
struct Rays {
  double source[3], first[3], per_column[3], per_row[3];
  double scale[9];
  double low[3], high[3];
};

// The components of one voxel.
template <int N>
struct Voxel {
  float value[N];
};

// Integrates along the ray of pixel (column, row); total gets value x mm.
//
// fetch(cell, place) returns the Voxel<N> at ijk = cell + place, with place in 0..1 and cells
// beyond the volume clamped to its edge.
template <int N, class Fetch>
MEDDL_SHARED void integrate(const Rays& rays, int column, int row, const Fetch& fetch,
                            float total[N]) {
  for (int n = 0; n < N; ++n) total[n] = 0.0f;

  double direction[3], enter = 0.0, leave = INFINITY, largest = 0.0;
  for (int axis = 0; axis < 3; ++axis) {
    const double d = rays.first[axis] + column * rays.per_column[axis] + row * rays.per_row[axis];
    direction[axis] = d;
    largest = fmax(largest, fabs(d));
    if (fabs(d) < 1e-14) {
      if (rays.source[axis] < rays.low[axis] || rays.source[axis] > rays.high[axis]) return;
    } else {
      const double a = (rays.low[axis] - rays.source[axis]) / d;
      const double b = (rays.high[axis] - rays.source[axis]) / d;
      enter = fmax(enter, fmin(a, b));
      leave = fmin(leave, fmax(a, b));
    }
  }
  if (leave <= enter) return;

  double squares = 0.0;
  for (int axis = 0; axis < 3; ++axis) {
    const double* to_mm = rays.scale + 3 * axis;
    const double mm = to_mm[0] * direction[0] + to_mm[1] * direction[1] + to_mm[2] * direction[2];
    squares += mm * mm;
  }

  // From here distances are in voxels along the axis that the ray follows most.
  int cell[3];
  float place[3], slope[3], stride[3];
  for (int axis = 0; axis < 3; ++axis) {
    const double start = rays.source[axis] + enter * direction[axis];
    const double whole = floor(start);
    cell[axis] = int(whole);
    place[axis] = float(start - whole);
    slope[axis] = float(direction[axis] / largest);
    stride[axis] = fabs(direction[axis]) < 1e-14 ? INFINITY : 1.0f / fabsf(slope[axis]);
  }
  float left = float((leave - enter) * largest);
  while (left > 0.0f) {
    float to_plane[3];
    for (int axis = 0; axis < 3; ++axis) {
      const float gap = slope[axis] > 0.0f ? 1.0f - place[axis] : place[axis];
      to_plane[axis] = stride[axis] < INFINITY ? gap * stride[axis] : INFINITY;
    }
    const float step = fminf(fminf(to_plane[0], to_plane[1]), fminf(to_plane[2], left));
    if (step > 0.0f) {
      // The Gauss points of the step, 0.5 -+ 0.5 / sqrt(3) of it; each has half of its weight.
      for (int point = 0; point < 2; ++point) {
        const float ahead = step * (point == 0 ? 0.21132487f : 0.78867513f);
        float at[3];
        for (int axis = 0; axis < 3; ++axis) at[axis] = place[axis] + ahead * slope[axis];
        const Voxel<N> voxel = fetch(cell, at);
        for (int n = 0; n < N; ++n) total[n] += 0.5f * step * voxel.value[n];
      }
    }
    for (int axis = 0; axis < 3; ++axis) {
      if (to_plane[axis] <= step) {
        const bool forward = slope[axis] > 0.0f;
        cell[axis] += forward ? 1 : -1;
        place[axis] = forward ? 0.0f : 1.0f;
      } else {
        place[axis] += step * slope[axis];
      }
    }
    left -= step;
  }
  const float mm_per_voxel = float(sqrt(squares) / largest);
  for (int n = 0; n < N; ++n) total[n] *= mm_per_voxel;
}

// The weighted sums over the energies behind the object (attenuation.transmitted):
// sums[r] = sum_E weights[r, E] exp(-sum_m coefficients[m, E] path[m]), for up to four r.
MEDDL_SHARED void beer_lambert(const float* path, int materials, const float* coefficients,
                               const float* weights, int energies, int rows, float sums[4]) {
  for (int r = 0; r < rows; ++r) sums[r] = 0.0f;
  for (int e = 0; e < energies; ++e) {
    float exponent = 0.0f;
    for (int m = 0; m < materials; ++m) exponent += coefficients[m * energies + e] * path[m];
    const float survival = expf(-exponent);
    for (int r = 0; r < rows; ++r) sums[r] += weights[r * energies + e] * survival;
  }
}

}  // namespace meddl
