import { formatValue } from '../harness/figure.ts';
import { createAxis, type Scale } from './axis.ts';

/** A line of a chart. */
export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** A chart of lines. */
export interface Chart {
  readonly title: string;
  readonly x: { readonly label: string; readonly scale: Scale };
  readonly y: { readonly label: string; readonly scale: Scale };
  readonly lines: readonly Line[];
}

const width = 720;
const height = 400;
const plot = { left: 76, right: 676, top: 40, bottom: 345 };
const legendLineHeight = 18;
// Told apart also by those who see no red or green, on white.
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00'];

/** Draws a chart as an SVG image. */
export function toSvg({ title, x, y, lines }: Chart): string {
  const points = lines.flatMap((line) => line.points);
  const xAxis = createAxis(
    points.map((point) => point[0]),
    x.scale,
  );
  const yAxis = createAxis(
    points.map((point) => point[1]),
    y.scale,
  );
  const left = (value: number) => round(plot.left + xAxis.at(value) * (plot.right - plot.left));
  const top = (value: number) => round(plot.bottom - yAxis.at(value) * (plot.bottom - plot.top));
  const legendHeight = lines.length * legendLineHeight;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height + legendHeight}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    `<title>${escapeText(title)}</title>`,
    text(plot.left, 24, title, 'font-size="15" font-weight="bold"'),
    ...xAxis.ticks.flatMap((tick) => [
      rule(left(tick), plot.top, left(tick), plot.bottom),
      text(left(tick), plot.bottom + 18, formatValue(tick), 'text-anchor="middle"'),
    ]),
    ...yAxis.ticks.flatMap((tick) => [
      rule(plot.left, top(tick), plot.right, top(tick)),
      text(plot.left - 8, top(tick) + 4, formatValue(tick), 'text-anchor="end"'),
    ]),
    text((plot.left + plot.right) / 2, plot.bottom + 38, x.label, 'text-anchor="middle"'),
    text(
      0,
      0,
      y.label,
      `text-anchor="middle" transform="translate(16 ${(plot.top + plot.bottom) / 2}) rotate(-90)"`,
    ),
    ...lines.flatMap(({ name, points: own }, index) => {
      const colour = colours[index % colours.length] ?? '';
      const path = own.map(([px, py]) => `${left(px)},${top(py)}`);
      const legendTop = height + index * legendLineHeight;
      return [
        `<polyline points="${path.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
        ...own.map(([px, py]) => `<circle cx="${left(px)}" cy="${top(py)}" r="2.5" fill="${colour}"/>`),
        `<rect x="${plot.left}" y="${legendTop - 8}" width="20" height="4" fill="${colour}"/>`,
        text(plot.left + 28, legendTop - 2, name),
      ];
    }),
    '</svg>',
    '',
  ].join('\n');
}

function rule(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="#ddd"/>`;
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${x}" y="${y}" fill="#222" ${attributes}>${escapeText(content)}</text>`;
}

function escapeText(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
