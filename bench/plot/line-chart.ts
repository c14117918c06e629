/** One line of a chart. */
export interface Series {
  readonly name: string;
  /** In the order of x. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** What a chart shows. */
export interface LineChart {
  readonly title: string;
  /** With its unit. */
  readonly x: string;
  /** With its unit. It begins at 0. */
  readonly y: string;
  readonly series: readonly Series[];
}

const size = { width: 860, height: 420 };
const margin = { top: 40, right: 210, bottom: 50, left: 76 };
const inner = {
  width: size.width - margin.left - margin.right,
  height: size.height - margin.top - margin.bottom,
};
// Told apart also by who sees few colours (Okabe and Ito), then dashed.
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'];
const dashes = ['', '6 3', '2 2'];
const number = new Intl.NumberFormat('en', { maximumFractionDigits: 2 });

/** Draws a chart, as the text of an SVG file. */
export function lineChart({ title, x, y, series }: LineChart): string {
  const points = series.flatMap((one) => one.points);
  const xs = ticks(Math.max(1, ...points.map(([at]) => at)));
  const ys = ticks(Math.max(1, ...points.map(([, value]) => value)));
  const across = (value: number) => margin.left + (value / (xs.at(-1) ?? 1)) * inner.width;
  const down = (value: number) => margin.top + inner.height - (value / (ys.at(-1) ?? 1)) * inner.height;
  const bottom = margin.top + inner.height;
  const right = margin.left + inner.width;
  const middle = { x: margin.left + inner.width / 2, y: margin.top + inner.height / 2 };

  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${size.width}" height="${size.height}" fill="#fff"/>`,
    text(margin.left, 22, title, 'font-size="15"'),
    ...xs.map((value) => text(across(value), bottom + 18, number.format(value), 'text-anchor="middle"')),
    ...ys.flatMap((value) => [
      `<path d="M${margin.left} ${at(down(value))}H${right}" stroke="#ddd"/>`,
      text(margin.left - 8, down(value) + 4, number.format(value), 'text-anchor="end"'),
    ]),
    `<path d="M${margin.left} ${margin.top}V${bottom}H${right}" fill="none" stroke="#333"/>`,
    text(middle.x, size.height - 12, x, 'text-anchor="middle"'),
    text(18, middle.y, y, `text-anchor="middle" transform="rotate(-90 18 ${middle.y})"`),
  ];
  for (const [index, { name, points: own }] of series.entries()) {
    const stroke = `stroke="${colours[index % colours.length]}" stroke-width="1.6" stroke-dasharray="${dashes[Math.floor(index / colours.length) % dashes.length]}"`;
    const path = own.map(([px, py]) => `${at(across(px))} ${at(down(py))}`).join('L');
    const level = margin.top + 8 + index * 18;
    if (path !== '') lines.push(`<path d="M${path}" fill="none" ${stroke}/>`);
    lines.push(`<path d="M${right + 14} ${level}h22" ${stroke}/>`, text(right + 42, level + 4, name));
  }
  return `${[...lines, '</svg>'].join('\n')}\n`;
}

/** Round numbers from 0 to at least a maximum, some five of them. */
function ticks(most: number): number[] {
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => index * step);
}

function text(x: number, y: number, content: string, attributes = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${at(x)}" y="${at(y)}" ${attributes}>${escaped}</text>`;
}

function at(value: number): string {
  return value.toFixed(1);
}
