/** A figure for people: three digits where it is small, whole where it is large. */
export function formatValue(value: number): string {
  const size = Math.abs(value);
  const maximumFractionDigits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return new Intl.NumberFormat('en', { maximumFractionDigits }).format(value);
}
