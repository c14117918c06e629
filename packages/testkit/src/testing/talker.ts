// Says what it was given, and ends on SIGTERM with a status of its own, unless it is told to be stubborn.
process.on('SIGTERM', () => {
  console.error('asked to end');
  if (!process.argv.includes('--stubborn')) process.exit(3);
});
setInterval(() => 'alive', 60_000);
console.log(`environment: ${Object.keys(process.env).toSorted().join(' ')}`);
console.log(`arguments: ${process.argv.slice(2).join(' ')}`);
